"""Whether two alerts are about the same child: by name as it sounds, or by number plate.

Keys are compared as MACs only, so they match by being equal. They are coarse on purpose:
ΜΑΡΙΑ, Μαρία and Maria are one. A false match costs the submitter one sentence, a missed one
sends the same alert twice.
"""
# ruff: noqa: RUF001, RUF002 - look-alike letters are what this module is about

import re
from collections.abc import Iterable

from alertd.core.alert import ChildAlert
from alertd.core.regions import Atlas
from alertd.core.text import plain

UNKNOWN = "unknown"

# Greek in Latin letters as ELOT 743 has it, but for what the sounds below make equal anyway.
_DIGRAPHS = (("γγ", "ng"), ("αυ", "av"), ("ευ", "ev"), ("ου", "ou"))
_LETTERS = str.maketrans("αβγδεζηικλμνξοπρστυφωđıł", "avgdeziiklmnxoprstyfodil") | str.maketrans(
    {"θ": "th", "χ": "ch", "ψ": "ps"}
)

# Spellings of one sound, in this order: Christos and Hristos, Giorgos and Yiorgos, Nikos and
# Nicos, Alexandra and Aleksandra, Eftychia and Evtihia, Athina and Atina.
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"kh|ch", "h"),
        (r"ph|f|w", "v"),
        (r"th", "t"),
        (r"dh", "d"),
        (r"x", "ks"),
        (r"[cq]", "k"),
        (r"ou", "u"),
        (r"ai", "e"),
        (r"[eo][iy]|y", "i"),
        (r"\bgi(?=[aeou])", "i"),
        (r"mp", "b"),
        (r"nt", "d"),
        (r"gk|ng|gh", "g"),
        (r"(.)\1+", r"\1"),
    )
)

# Capitals that look alike: plates are read by eye, and typed on any keyboard.
_LOOKALIKES = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + "АВЕКМНОРСТУХ", "ABEZHIKMNOPTYX" + "ABEKMHOPCTYX")


def keys(alert: ChildAlert) -> frozenset[str]:
    """Give what stands for each known name and plate; to be stored as MACs, never as they are."""
    names = {name_key(child.name) for child in alert.children if child.name != UNKNOWN}
    found = {f"name:{name}" for name in names if name}
    if alert.vehicle and alert.vehicle.plate != UNKNOWN:
        found.add(f"plate:{plate_key(alert.vehicle.plate)}")
    return frozenset(found)


def name_key(name: str) -> str:
    """Give a name as it sounds, in small Latin letters, its words in alphabetical order."""
    bare = plain(name)
    for digraph, latin in _DIGRAPHS:
        bare = bare.replace(digraph, latin)
    sounds = bare.translate(_LETTERS)
    for pattern, sound in _SOUNDS:
        sounds = pattern.sub(sound, sounds)
    return " ".join(sorted(re.findall(r"\w+", sounds)))


def plate_key(plate: str) -> str:
    """Give a plate's letters and digits, look-alikes of other alphabets as Latin."""
    capitals = plate.upper().translate(_LOOKALIKES)
    return "".join(char for char in capitals if char.isalnum())


def overlap(some: Iterable[str], others: Iterable[str], atlas: Atlas) -> bool:
    """Tell whether two lists of regions share any ground."""
    return not atlas.reaches(some).isdisjoint(others)
