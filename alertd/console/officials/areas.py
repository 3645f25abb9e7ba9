"""The regions as a tree that can be searched, in the reader's language."""

from dataclasses import dataclass
from functools import lru_cache

from alertd.core.regions import Atlas
from alertd.core.text import plain


@dataclass(frozen=True, slots=True)
class Region:
    """One region with those below it; `found_by` is what a search compares."""

    code: str
    name: str
    found_by: str
    children: tuple["Region", ...]


@lru_cache(maxsize=64)
def tree(atlas: Atlas, country: str, language: str) -> Region:
    """Give a country with all its regions, each level in the order of its names."""
    below: dict[str, list[str]] = {}
    for code in atlas.family(country):
        if (parent := atlas.parents[code]) is not None:
            below.setdefault(parent, []).append(code)
    return _region(atlas, country, language, below)


def matching(region: Region, sought: str) -> tuple[Region, ...]:
    """Give every region whose name in any language, or whose code, holds `sought`."""
    wanted = plain(sought)
    found = [region] if wanted in region.found_by else []
    return (*found, *(each for child in region.children for each in matching(child, sought)))


def _region(atlas: Atlas, code: str, language: str, below: dict[str, list[str]]) -> Region:
    names = atlas.names.get(code, {})
    children = [_region(atlas, each, language, below) for each in below.get(code, ())]
    return Region(
        code=code,
        name=atlas.name(code, language),
        found_by=plain(" ".join([code, *names.values()])),
        children=tuple(sorted(children, key=lambda each: plain(each.name))),
    )
