"""A recipient's own link opens one subscription, and cannot be made or changed by hand."""

import pytest

from alertd.ownlinks import address_id_of, is_own_token, own_token
from alertd.vault import Master

MASTER = Master(b"k" * 32)
ADDRESS = "+306900000001"


def test_a_link_opens_the_address_it_was_made_for() -> None:
    token = own_token(MASTER, 42, ADDRESS)
    assert address_id_of(token) == 42
    assert is_own_token(MASTER, token, 42, ADDRESS)


def test_a_link_tells_nothing_of_the_address() -> None:
    assert ADDRESS.lstrip("+") not in own_token(MASTER, 42, ADDRESS)


def test_every_changed_character_closes_a_link() -> None:
    token = own_token(MASTER, 42, ADDRESS)
    for place, char in enumerate(token):
        changed = token[:place] + ("0" if char != "0" else "1") + token[place + 1 :]
        assert not is_own_token(MASTER, changed, 42, ADDRESS)


def test_a_number_used_again_opens_nothing() -> None:
    assert not is_own_token(MASTER, own_token(MASTER, 42, ADDRESS), 42, "+306900000002")


def test_another_installs_key_opens_nothing() -> None:
    assert not is_own_token(Master(b"x" * 32), own_token(MASTER, 42, ADDRESS), 42, ADDRESS)


@pytest.mark.parametrize("token", ["", ".", "2a", "2a.", "x." + "0" * 16, "2a." + "é" * 16])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"token|literal"):
        address_id_of(token)
