"""Addresses as people may see them: enough to recognise one, not enough to use it."""

from urllib.parse import urlsplit

import phonenumbers

_HIDDEN = "***"


def mask(address: str) -> str:
    """Give `+30 690 *** **12`, `a***@example.org` or `https://host`."""
    if "://" in address:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname or _HIDDEN}"
    if "@" in address:
        name, _, domain = address.rpartition("@")
        return f"{name[:1]}{_HIDDEN}@{domain}"
    if address.startswith("+"):
        return _mask_number(address)
    return _HIDDEN


def _mask_number(number: str) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return _HIDDEN
    national = phonenumbers.national_significant_number(parsed)
    if len(national) < 7:
        return f"+{parsed.country_code} {_HIDDEN}"
    return f"+{parsed.country_code} {national[:3]} *** **{national[-2:]}"
