"""Where and in which programmes a person acts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from alertd.core.regions import Atlas


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """Regions and programmes; nothing named means everywhere, and all.

    An alert is taken by the codes that it reaches, as `Atlas.reaches` gives them.
    """

    regions: frozenset[str] = frozenset()
    programmes: frozenset[str] = frozenset()

    @property
    def everywhere(self) -> bool:
        return not self.regions and not self.programmes

    def covers(self, programme: str, reached: Iterable[str], atlas: Atlas) -> bool:
        """Tell whether the whole of an alert lies inside: then it may be decided on."""
        inside = _inside(self.regions, atlas)
        return self._has(programme) and (
            not self.regions or atlas.smallest(reached).issubset(inside)
        )

    def touches(self, programme: str, reached: Iterable[str], atlas: Atlas) -> bool:
        """Tell whether some of an alert lies inside: then it may be seen."""
        there = atlas.smallest(reached)
        inside = _inside(self.regions, atlas)
        return self._has(programme) and (
            not self.regions or not there or not inside.isdisjoint(there)
        )

    def holds(self, regions: Iterable[str], atlas: Atlas) -> bool:
        """Tell whether all of these regions lie inside, whatever the programme."""
        inside = _inside(self.regions, atlas)
        below = atlas.smallest(code for each in regions for code in atlas.reaches([each]))
        return not self.regions or below.issubset(inside)

    def within(self, atlas: Atlas) -> frozenset[str] | None:
        """Give every region that some of it lies in; None where nothing bounds it."""
        return atlas.reaches(self.regions) if self.regions else None

    def _has(self, programme: str) -> bool:
        return not self.programmes or programme in self.programmes


@lru_cache(maxsize=256)
def _inside(regions: frozenset[str], atlas: Atlas) -> frozenset[str]:
    """Give the smallest regions of a jurisdiction; a list asks for each of its alerts."""
    return atlas.smallest(atlas.reaches(regions))
