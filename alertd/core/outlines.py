"""Outlines of regions: which of them a circle or a polygon touches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, radians

from alertd.core.geo import EARTH_KM, Point

SLACK_KM = 2.0  # outlines are thinned and coasts are coarse: rather one region too many
_KM = radians(1) * EARTH_KM  # in a degree of latitude

_Flat = tuple[float, float]  # kilometres east and north of the middle of what is asked about
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Outline:
    """The rings of an area that belongs to one region; to several where the source drew one."""

    regions: tuple[str, ...]
    rings: tuple[tuple[Point, ...], ...]


def touched(outlines: Iterable[Outline], shape: Sequence[Point], reach_km: float) -> list[str]:
    """Give the regions within `reach_km` of a point or of a closed polygon, in their order.

    Distances are those of a plane laid through the middle of `shape`: right to a hundredth for
    areas of some hundred kilometres.
    """
    middle = (
        (min(lat for lat, _ in shape) + max(lat for lat, _ in shape)) / 2,
        (min(lon for _, lon in shape) + max(lon for _, lon in shape)) / 2,
    )
    asked = _flat(shape, middle)
    margin = reach_km + SLACK_KM
    found = {
        region
        for outline in outlines
        if _within([_flat(ring, middle) for ring in outline.rings], asked, margin)
        for region in outline.regions
    }
    return sorted(found)


def _flat(points: Sequence[Point], middle: Point) -> list[_Flat]:
    east = _KM * cos(radians(middle[0]))
    return [((lon - middle[1]) * east, (lat - middle[0]) * _KM) for lat, lon in points]


def _within(rings: Sequence[Sequence[_Flat]], asked: Sequence[_Flat], margin: float) -> bool:
    """Tell whether an area, its holes left out, comes within `margin` of a point or polygon."""
    box = _box(asked, margin)
    near = [ring for ring in rings if _overlap(_box(ring, 0.0), box)]
    if _holds(near, asked[0]) or any(_holds([asked], ring[0]) for ring in near):
        return True
    return any(_sides_within(ring, asked, box, margin) for ring in near)


def _sides_within(ring: Sequence[_Flat], asked: Sequence[_Flat], box: _Box, margin: float) -> bool:
    sides = [side for side in pairwise(ring) if _overlap(_box(side, 0.0), box)]
    others = list(pairwise(asked)) or [(asked[0], asked[0])]
    for side in sides:
        around = _box(side, margin)
        for other in others:
            if _overlap(_box(other, 0.0), around) and _apart(side, other) <= margin:
                return True
    return False


def _holds(rings: Sequence[Sequence[_Flat]], point: _Flat) -> bool:
    """Tell whether a point lies inside: a line from it crosses the rings an odd number of times."""
    x, y = point
    crossings = sum(
        (a[1] > y) != (b[1] > y) and x < a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
        for ring in rings
        for a, b in pairwise(ring)
    )
    return crossings % 2 == 1


def _apart(one: tuple[_Flat, _Flat], other: tuple[_Flat, _Flat]) -> float:
    """Give the distance of two sides; 0 where they cross."""
    (a, b), (c, d) = one, other
    if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
        return 0.0
    return min(_off(a, other), _off(b, other), _off(c, one), _off(d, one))


def _turn(a: _Flat, b: _Flat, c: _Flat) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _off(point: _Flat, side: tuple[_Flat, _Flat]) -> float:
    """Give how far a point lies from the nearest of a side's points."""
    (ax, ay), (bx, by) = side
    dx, dy = bx - ax, by - ay
    whole = dx * dx + dy * dy
    along = ((point[0] - ax) * dx + (point[1] - ay) * dy) / whole if whole else 0.0
    share = min(1.0, max(0.0, along))
    return hypot(point[0] - ax - share * dx, point[1] - ay - share * dy)


def _box(points: Sequence[_Flat], margin: float) -> _Box:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return (min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin)


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
