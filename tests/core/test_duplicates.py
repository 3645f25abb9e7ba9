"""The same child in other letters is the same child."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.duplicates import keys, name_key, overlap, plate_key
from alertd.core.regions import Atlas
from tests.factories import child_facts, make_alert

ATLAS = Atlas(parents={"GR": None, "GR-I": "GR", "GR-M": "GR", "CY": None, "CY-01": "CY"}, names={})
GREEK = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"
words = st.text(GREEK, min_size=1, max_size=12)
plates = st.text("ABEZHIKMNOPTYX0123456789", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ΜΑΡΙΑ ΠΑΡΑΔΕΙΓΜΑΤΙΔΟΥ", "Μαρία Παραδειγματίδου"),
        ("Μαρία Παραδειγματίδου", "Maria Paradeigmatidou"),
        ("Παραδειγματίδου Μαρία", "maria  paradigmatidou"),
        ("Γιώργος Χρήστου", "Yiorgos Hristou"),
        ("Γεώργιος Χρήστου", "Georgios Christou"),
        ("Νίκος Ευτυχίδης", "Nicos Eftychidis"),
        ("Αλεξάνδρα", "Aleksandra"),
        ("Αγγελική Μπακάλη", "Angeliki Bakali"),
        ("Σοφία Αθανασίου", "Sofia Atanasiou"),
        ("Αντώνης", "Antonis"),
        ("Άννα-Μαρία", "Anna Maria"),
        ("Žana Đokić", "zana dokic"),
    ],
)
def test_spellings_of_one_name_meet(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Μαρία", "Μάριος"), ("Ελένη", "Άννα"), ("Νίκος", "Νίκη")]
)
def test_other_names_stay_apart(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.lists(words, min_size=1, max_size=4), st.randoms())
def test_case_accents_and_order_do_not_matter(tokens: list[str], random) -> None:
    plain = " ".join(tokens)
    shuffled = list(tokens)
    random.shuffle(shuffled)
    bare = unicodedata.normalize("NFD", " ".join(shuffled).upper())
    capitals = "".join(char for char in bare if not unicodedata.combining(char))
    assert name_key(plain) == name_key(capitals)


@given(st.text(max_size=40))
def test_any_text_has_a_key_that_needs_no_second_folding_of_case(text: str) -> None:
    assert name_key(text) == name_key(text.casefold())


@pytest.mark.parametrize("plate", ["XXX-0000", "ΧΧΧ 0000", "xxx0000", "ХХХ·0000"])
def test_plate_is_read_as_it_looks(plate: str) -> None:
    assert plate_key(plate) == "XXX0000"


@given(plates)
def test_plate_typed_in_greek_capitals_is_the_same(plate: str) -> None:
    greek = plate.translate(str.maketrans("ABEZHIKMNOPTYX", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"))
    assert plate_key(greek) == plate_key(plate) == plate


def test_alert_has_a_key_per_known_name_and_plate() -> None:
    alert = make_alert(
        children=[child_facts(name="Μαρία"), child_facts(name="Άννα"), child_facts(name="unknown")],
        vehicle={"plate": "ΧΧΧ-0000"},
    )
    assert keys(alert) == {"name:maria", "name:ana", "plate:XXX0000"}


def test_what_is_unknown_makes_no_duplicates() -> None:
    alert = make_alert(children=[child_facts(name="unknown")], vehicle={"make": "Example"})
    assert keys(alert) == frozenset()


@pytest.mark.parametrize(
    ("some", "others", "shared"),
    [
        (["GR-I"], ["GR-I", "GR-M"], True),
        (["GR"], ["GR-M"], True),
        (["GR-M"], ["GR"], True),
        (["GR-I"], ["GR-M"], False),
        (["GR"], ["CY-01"], False),
    ],
)
def test_areas_overlap_when_one_holds_the_other(
    some: list[str], others: list[str], *, shared: bool
) -> None:
    assert overlap(some, others, ATLAS) is shared
    assert overlap(others, some, ATLAS) is shared
