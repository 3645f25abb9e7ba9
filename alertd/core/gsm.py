"""What a text costs as SMS, and how Greek fits the GSM 7-bit alphabet (3GPP TS 23.038)."""

import re
import unicodedata
from typing import Literal

Encoding = Literal["gsm7", "ucs2"]

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # each costs an escape besides itself

_ONE_PART = {"gsm7": 160, "ucs2": 70}
_EACH_OF_MANY = {"gsm7": 153, "ucs2": 67}  # the rest of a part holds its number

# The alphabet has ten Greek capitals; its table gives the others by Latin letters of their shape.
_GREEK = dict(zip("ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ", "ABΓΔEZHΘIKΛMNΞOΠPΣTYΦXΨΩ", strict=True))
_PUNCTUATION = str.maketrans(
    dict.fromkeys("«»“”„‟", '"')
    | dict.fromkeys("‘’‚‛΄´`", "'")  # noqa: RUF001 - the look-alikes are the point
    | dict.fromkeys("‐‑‒–—―−", "-")  # noqa: RUF001 - as above
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", " ")
    | {"…": "...", "·": ",", "\u037e": ";", "\u200b": ""}
)
_URL = re.compile(r"(https?://[^\s\ue000]+)")


def fit_greek(text: str) -> str:
    """Give `text` with Greek letters and typographic signs in GSM-7 form, URLs untouched.

    The result mixes Latin and Greek letters of one shape: fit for SMS, never for web or mail.
    """
    pieces = _URL.split(unicodedata.normalize("NFC", text))
    return "".join(piece if at % 2 else _fit(piece) for at, piece in enumerate(pieces))


def _fit(text: str) -> str:
    return "".join(_letter(character) for character in text.translate(_PUNCTUATION))


def _letter(character: str) -> str:
    capital = unicodedata.normalize("NFD", character)[0].upper()
    return _GREEK.get(capital, character)


def encoding(text: str) -> Encoding:
    """Tell which alphabet the whole message needs: one foreign character decides it."""
    return "gsm7" if set(text) <= _BASIC | _EXTENDED else "ucs2"


def parts(text: str) -> tuple[Encoding, int]:
    """Give the alphabet and the number of parts that a provider sends and bills."""
    alphabet = encoding(text)
    costs = [_cost(character, alphabet) for character in text]
    if sum(costs) <= _ONE_PART[alphabet]:
        return alphabet, 1
    count, used = 1, 0
    for cost in costs:
        if used + cost > _EACH_OF_MANY[alphabet]:  # no character is cut in two
            count, used = count + 1, 0
        used += cost
    return alphabet, count


def size(text: str) -> tuple[Encoding, int]:
    """Give the alphabet, and how many of its characters the text takes, escapes counted."""
    alphabet = encoding(text)
    return alphabet, sum(_cost(character, alphabet) for character in text)


def _cost(character: str, alphabet: Encoding) -> int:
    if alphabet == "gsm7":
        return 2 if character in _EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1  # a surrogate pair
