"""A country's regions as a drawing for a page, with an alert's area on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import cos, radians

from alertd.core.alert import Area
from alertd.core.geo import EARTH_KM, Point
from alertd.core.outlines import touched
from alertd.core.regions import Atlas

UNIT = 500  # in a degree of latitude: a path of whole numbers is then as fine as the outlines
_MARGIN = 40
_KM = UNIT / (radians(1) * EARTH_KM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Where the drawing lies on the earth; `paths` are those of the outlines, in their order."""

    north: float
    west: float
    east_unit: float  # in a degree of longitude: there is one for the whole drawing
    width: int
    height: int
    paths: tuple[str, ...]

    def place(self, point: Point) -> tuple[int, int]:
        return (
            round((point[1] - self.west) * self.east_unit),
            round((self.north - point[0]) * UNIT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """One outline on the drawing."""

    regions: tuple[str, ...]
    name: str
    path: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipse:
    """A circle on the earth, as the drawing stretches it."""

    x: int
    y: int
    across: int
    down: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """What a page draws: the lands, those chosen marked, and the circle and outline given."""

    chart: Chart
    lands: Sequence[Land]
    circle: Ellipse | None
    outline: str


def draw(atlas: Atlas, country: str, area: Area, language: str) -> Map | None:
    """Give the drawing of a country with an area on it; None where no outlines are known."""
    outlines = atlas.outlines.get(country)
    if not outlines:
        return None
    chart = _chart(atlas, country)
    return Map(
        chart=chart,
        lands=[
            Land(
                regions=outline.regions,
                name=", ".join(atlas.name(code, language) for code in outline.regions),
                path=path,
                chosen=any({code, country} & {*area.regions} for code in outline.regions),
            )
            for outline, path in zip(outlines, chart.paths, strict=True)
        ],
        circle=_ellipse(chart, area),
        outline=" ".join(f"{x},{y}" for x, y in map(chart.place, area.polygon or ())),
    )


def proposed(atlas: Atlas, country: str, area: Area) -> list[str]:
    """Name the regions that the area's circle and its outline touch."""
    outlines = atlas.outlines.get(country, ())
    found: set[str] = set()
    if area.circle:
        found.update(touched(outlines, [area.circle.centre], area.circle.radius_km))
    if area.polygon:
        found.update(touched(outlines, area.polygon, 0))
    return sorted(found)


@lru_cache(maxsize=16)
def _chart(atlas: Atlas, country: str) -> Chart:
    outlines = atlas.outlines[country]
    points = [point for outline in outlines for ring in outline.rings for point in ring]
    north, south = max(lat for lat, _ in points), min(lat for lat, _ in points)
    east_unit = UNIT * cos(radians((north + south) / 2))
    west, east = min(lon for _, lon in points), max(lon for _, lon in points)
    frame = Chart(
        north=north + _MARGIN / UNIT,
        west=west - _MARGIN / east_unit,
        east_unit=east_unit,
        width=round((east - west) * east_unit) + 2 * _MARGIN,
        height=round((north - south) * UNIT) + 2 * _MARGIN,
        paths=(),
    )
    paths = tuple("".join(_path(frame, ring) for ring in each.rings) for each in outlines)
    return replace(frame, paths=paths)


def _path(frame: Chart, ring: Sequence[Point]) -> str:
    """Give a ring as SVG says it: one place, then steps from each to the next."""
    places = [frame.place(point) for point in ring]
    steps = [f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(places)][:-1]
    return f"M{places[0][0]} {places[0][1]}l{' '.join(steps)}z"


def _ellipse(chart: Chart, area: Area) -> Ellipse | None:
    if area.circle is None:
        return None
    x, y = chart.place(area.circle.centre)
    down = area.circle.radius_km * _KM
    across = down * chart.east_unit / UNIT / cos(radians(area.circle.centre[0]))
    return Ellipse(x=x, y=y, across=max(1, round(across)), down=max(1, round(down)))
