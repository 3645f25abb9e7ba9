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


def ack_token(master: Maccer, delivery_id: int, alert_id: str) -> str:
    """Give the token of `{public_url}/ack/{token}`: one end, told to one endpoint."""
    mac = bytes.fromhex(master.mac("acknowledgement", f"{delivery_id} {alert_id}"))
    return f"{delivery_id:x}.{base64.urlsafe_b64encode(mac[:_BYTES]).decode()}"


def is_ack_token(master: Maccer, token: str, delivery_id: int, alert_id: str) -> bool:
    return hmac.compare_digest(token, ack_token(master, delivery_id, alert_id))


def address_id_of(token: str) -> int:
    """Give the row that a token speaks of, still unproven; raises ValueError."""
    number, _, mac = token.partition(".")
    if len(number) > 15 or len(mac) != _LETTERS or not token.isascii():
        raise ValueError("not a token")
    return int(number, 16)


def is_own_token(master: Maccer, token: str, address_id: int, address: str) -> bool:
    return hmac.compare_digest(token, own_token(master, address_id, address))
