"""What a text costs as SMS, and Greek in the GSM alphabet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.gsm import encoding, fit_greek, parts
from alertd.core.rendition import Slot, mark

NOTICE = (
    "AMBER Alert: Μαρία Παραδειγματίδου, 9 ετών, ύψος 132 εκ., καστανά μαλλιά, φορούσε κόκκινο "
    "μπουφάν. Εθεάθη 14/3 στην Πλατεία Παραδείγματος. Καλέστε 116000"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("gsm7", 1)),
        ("a" * 160, ("gsm7", 1)),
        ("a" * 161, ("gsm7", 2)),
        ("a" * 306, ("gsm7", 2)),
        ("a" * 307, ("gsm7", 3)),
        ("€" * 80, ("gsm7", 1)),
        ("€" * 81, ("gsm7", 2)),
        ("α" * 70, ("ucs2", 1)),
        ("α" * 71, ("ucs2", 2)),
        ("α" * 134, ("ucs2", 2)),
        ("α" * 135, ("ucs2", 3)),
        ("😀" * 35, ("ucs2", 1)),
        ("😀" * 36, ("ucs2", 2)),
    ],
)
def test_parts_are_counted_at_their_bounds(text: str, expected: tuple[str, int]) -> None:
    assert parts(text) == expected


def test_no_escape_pair_is_cut_between_two_parts() -> None:
    # 152 + 2 would fit two parts of 153 by sum; the pair moves to the second whole.
    assert parts("a" * 152 + "€" + "a" * 152) == ("gsm7", 3)


def test_no_surrogate_pair_is_cut_between_two_parts() -> None:
    assert parts("α" * 66 + "😀" + "α" * 66) == ("ucs2", 3)


def test_greek_notice_needs_a_third_of_the_parts_once_fitted() -> None:
    assert parts(NOTICE) == ("ucs2", 3)
    assert parts(fit_greek(NOTICE)) == ("gsm7", 1)


@pytest.mark.parametrize(
    ("greek", "fitted"),
    [
        ("Άγνωστο τι φορούσε", "AΓNΩΣTO TI ΦOPOYΣE"),
        ("ΐ ΰ ϊ ς Ώ ᾳ", "I Y I Σ Ω A"),
        ("«καφέ» – μπλε…", '"KAΦE" - MΠΛE...'),
        ("α\u0301", "A"),
        ("Ελένη café", "EΛENH café"),
    ],
)
def test_greek_becomes_capitals_of_the_same_shape(greek: str, fitted: str) -> None:
    assert fit_greek(greek) == fitted
    assert encoding(fitted) == "gsm7"


def test_every_greek_letter_fits() -> None:
    letters = "".join(c for c in map(chr, range(0x386, 0x3CF)) if c.isalpha())
    assert encoding(fit_greek(letters)) == "gsm7"


def test_urls_are_never_mapped() -> None:
    url = "https://example.org/δοκιμή–α"
    assert fit_greek(f"Δείτε {url} τώρα") == f"ΔEITE {url} TΩPA"


def test_slots_survive_fitting() -> None:
    slot = mark(Slot.OWN_LINK)
    assert fit_greek(f"Διαγραφή: {slot}") == f"ΔIAΓPAΦH: {slot}"


@given(st.text(max_size=200))
def test_fitting_twice_changes_nothing_more(text: str) -> None:
    once = fit_greek(text)
    assert fit_greek(once) == once


@given(st.text(max_size=400))
def test_more_text_never_costs_less(text: str) -> None:
    assert parts(text)[1] <= parts(text + "a")[1]
