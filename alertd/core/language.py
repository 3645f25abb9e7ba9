"""Which of the offered languages serves a reader best."""

from functools import lru_cache


@lru_cache(maxsize=1024)
def best_language(wanted: str, offered: tuple[str, ...]) -> str:
    """Give the tag of `offered` nearest to `wanted`: itself, its parents, a sibling, the first.

    `el-CY` is served by `el`, then by `el-GR`; what nothing serves gets `offered[0]`.
    """
    by_tag = {tag.lower(): tag for tag in reversed(offered)}
    subtags = wanted.lower().split("-")
    for length in range(len(subtags), 0, -1):
        if found := by_tag.get("-".join(subtags[:length])):
            return found
    siblings = (tag for tag in offered if tag.lower().split("-")[0] == subtags[0])
    return next(siblings, offered[0])


def asked_for(header: str, offered: tuple[str, ...]) -> str | None:
    """Give the first language of an Accept-Language that is offered, by a near relative too."""
    for wanted in (part.partition(";")[0].strip() for part in header.split(",")):
        found = best_language(wanted, offered)
        if found.partition("-")[0].lower() == wanted.partition("-")[0].lower():
            return found
    return None
