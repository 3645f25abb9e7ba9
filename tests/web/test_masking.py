"""Addresses are shown as little as recognising them needs."""

import pytest

from alertd.masking import mask
from alertd.ownlinks import address_id_of, is_own_token, own_token


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("+306900000012", "+30 690 *** **12"),
        ("+12025550143", "+1 202 *** **43"),
        ("+38212345", "+382 ***"),
        ("+999", "***"),
        ("reader@example.org", "r***@example.org"),
        ("@example.org", "***@example.org"),
        ("https://partner.example.org:8443/hooks?key=hush", "https://partner.example.org"),
        ("https://user:hush@partner.example.org/", "https://partner.example.org"),
        ("public/el", "***"),
        ("", "***"),
    ],
)
def test_an_address_is_masked(address: str, shown: str) -> None:
    assert mask(address) == shown


class Master:
    def mac(self, purpose: str, text: str) -> str:
        return f"{purpose}{text}".encode().hex().ljust(64, "0")[-64:]


def test_an_own_token_speaks_of_one_address_alone() -> None:
    token = own_token(Master(), 26, "reader@example.org")
    assert address_id_of(token) == 26
    assert is_own_token(Master(), token, 26, "reader@example.org")
    assert not is_own_token(Master(), token, 26, "other@example.org")
    assert not is_own_token(Master(), token, 27, "reader@example.org")


@pytest.mark.parametrize("token", ["", "1a", "1a.short", "x.AAAAAAAAAAAAAAAA", "f" * 16 + ".A"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"not a token|invalid literal"):
        address_id_of(token)
