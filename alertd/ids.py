"""Identifiers that the outside sees: sortable by time, impossible to guess."""

import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def new_id(at: datetime) -> str:
    """Give 20 characters: 9 of the millisecond `at`, 11 (55 bits) random."""
    number = (int(at.timestamp() * 1000) << 55) | secrets.randbits(55)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(95, -1, -5))
