"""The regions that a form offers: a tree, each level in the order of its names."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from alertd.console.pages import Visit
from alertd.core.text import plain


def offered(
    visit: Visit, *, within: frozenset[str] | None = None, besides: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Give the regions of the programmes' countries, and of those chosen already, as a tree."""
    atlas = visit.tools.atlas
    countries = {rules.country for rules in visit.tools.rulebook.known().values()}
    countries |= {code.partition("-")[0] for code in besides}
    below: dict[str | None, list[str]] = defaultdict(list)
    for code in (code for country in sorted(countries) for code in atlas.family(country)):
        if within is None or code in within:
            below[atlas.parents[code]].append(code)

    def under(above: str | None) -> list[dict[str, Any]]:
        found = [
            {"code": code, "name": atlas.name(code, visit.language), "children": under(code)}
            for code in below[above]
        ]
        return sorted(found, key=lambda region: plain(region["name"]))

    return under(None)
