"""A recipient's own link: whoever holds it may see and end that one subscription."""

import base64
import hmac
from typing import Protocol

_BYTES = 12  # 96 bits, tried over the network only; short enough for a text message
_LETTERS = 16


class Maccer(Protocol):
    def mac(self, purpose: str, text: str) -> str: ...


def own_token(master: Maccer, address_id: int, address: str) -> str:
    """Give the token of `{public_url}/s/{token}`.

    It covers the address too, so that a row's number used again opens nothing.
    """
    mac = bytes.fromhex(master.mac("own_link", f"{address_id} {address}"))
    return f"{address_id:x}.{base64.urlsafe_b64encode(mac[:_BYTES]).decode()}"


def address_id_of(token: str) -> int:
    """Give the address that a token speaks of, still unproven; raises ValueError."""
    number, _, mac = token.partition(".")
    if len(number) > 15 or len(mac) != _LETTERS or not token.isascii():
        raise ValueError("not a token")
    return int(number, 16)


def is_own_token(master: Maccer, token: str, address_id: int, address: str) -> bool:
    return hmac.compare_digest(token, own_token(master, address_id, address))
