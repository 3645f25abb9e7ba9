"""Regions by ISO 3166-2: which there are, what they are called, and who hears of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

from alertd.core.geo import Box
from alertd.core.language import best_language
from alertd.core.outlines import Outline

Names = Mapping[str, str]
"""The name of one region per language tag."""


# Made once, and what is drawn from it is kept by it; shown, it would be megabytes long.
@dataclass(frozen=True, eq=False, repr=False)
class Atlas:
    """Every known region; a country is the region above its subdivisions."""

    parents: Mapping[str, str | None]  # region to the one above it; None above a country
    names: Mapping[str, Names]
    boxes: Mapping[str, Box] = field(default_factory=dict)  # where a country lies, roughly
    outlines: Mapping[str, tuple[Outline, ...]] = field(default_factory=dict)  # by country

    def known(self, code: str) -> bool:
        return code in self.parents

    def name(self, code: str, language: str) -> str:
        """Give the name in `language`, else in the nearest, else in English, else any."""
        names = self.names.get(code)
        if not names:
            return code
        others = sorted(names, key=lambda tag: (tag != "en", tag))
        return names[best_language(language, tuple(others))]

    def reaches(self, regions: Iterable[str]) -> frozenset[str]:
        """Give every code whose recipients are told: each region, all above and all below it."""
        wanted = set(regions)
        above = {up for code in wanted for up in self._line(code)}
        below = {
            code
            for country in {code.partition("-")[0] for code in wanted}
            for code in self.family(country)
            if wanted.intersection(self._line(code))
        }
        return frozenset(above | below)

    def smallest(self, codes: Iterable[str]) -> frozenset[str]:
        """Give those of `codes` that nothing lies below: by them areas are compared."""
        return frozenset(codes) - self._divided

    def near(self, code: str) -> list[str]:
        """Give known codes that were perhaps meant, `GR-I (Attica)`, the likeliest first."""
        country = code.partition("-")[0]
        family = sorted(self.family(country))
        countries = sorted(each for each, up in self.parents.items() if up is None)
        likely = get_close_matches(code, family or countries, n=5, cutoff=0)
        return [f"{each} ({self.name(each, 'en')})" for each in likely]

    def family(self, country: str) -> tuple[str, ...]:
        """Give a country's code and those of all its regions."""
        return self._families.get(country, ())

    @cached_property
    def _families(self) -> Mapping[str, tuple[str, ...]]:
        found = defaultdict(list)
        for code in self.parents:
            found[code.partition("-")[0]].append(code)
        return {country: tuple(codes) for country, codes in found.items()}

    @cached_property
    def _divided(self) -> frozenset[str | None]:
        return frozenset(self.parents.values())

    def _line(self, code: str) -> list[str]:
        """Give the region itself and all above it."""
        line = [code]
        while (up := self.parents.get(line[-1])) is not None:
            line.append(up)
        return line
