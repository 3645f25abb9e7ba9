"""Points, polygons and boxes on the earth: latitude first, as CAP writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt

Point = tuple[float, float]
"""Latitude, longitude, in degrees."""

EARTH_KM = 6371.0088  # mean radius
_SCALE = 10**7  # whole numbers of about a centimetre: crossing is then decided exactly
_Grid = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Box:
    """Roughly where a country lies; none of ours crosses the 180th meridian."""

    south: float
    west: float
    north: float
    east: float

    def distance_km(self, point: Point) -> float:
        """Give how far `point` lies outside; 0 inside."""
        latitude = min(max(point[0], self.south), self.north)
        longitude = min(max(point[1], self.west), self.east)
        return distance_km(point, (latitude, longitude))


def distance_km(a: Point, b: Point) -> float:
    """Give the great-circle distance (haversine)."""
    lat_a, lon_a, lat_b, lon_b = (radians(number) for number in (*a, *b))
    chord = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(chord)))


def polygon_fault(points: Sequence[Point]) -> str | None:
    """Tell what keeps `points` from being a CAP polygon, with the remedy; None when nothing."""
    if len(points) < 4:
        return "needs at least 4 points, the last the same as the first"
    if points[0] != points[-1]:
        return "is not closed: repeat the first point at the end"
    if any(abs(a[1] - b[1]) > 180 for a, b in pairwise(points)):
        return "crosses the 180th meridian: split the area there"
    ring = [(round(lat * _SCALE), round(lon * _SCALE)) for lat, lon in points]
    if any(a == b for a, b in pairwise(ring)):
        return "gives the same point twice in a row: leave one out"
    if crossing := _crossing(ring):
        first, second = crossing
        return (
            f"crosses or touches itself: the side after point {first + 1} and the side"
            f" after point {second + 1}; give the points in order around the area"
        )
    return None


def _crossing(ring: Sequence[_Grid]) -> tuple[int, int] | None:
    """Give the numbers of two sides that share more than the point between neighbours."""
    sides = list(pairwise(ring))
    last = len(sides) - 1
    for i, (a, b) in enumerate(sides):
        for j in range(i + 1, len(sides)):
            c, d = sides[j]
            if j == i + 1:
                bad = _folds_back(a, b, d)
            elif (i, j) == (0, last):
                bad = _folds_back(c, d, b)
            else:
                bad = _meet(a, b, c, d)
            if bad:
                return i, j
    return None


def _turn(a: _Grid, b: _Grid, c: _Grid) -> int:
    """Give more than 0 for a turn one way at `b`, less for the other, 0 when on one line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _folds_back(a: _Grid, b: _Grid, c: _Grid) -> bool:
    ahead = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1])
    return _turn(a, b, c) == 0 and ahead < 0


def _meet(a: _Grid, b: _Grid, c: _Grid, d: _Grid) -> bool:
    """Tell whether two sides share a point: straddling each other, or boxes met on one line."""
    for axis in (0, 1):
        if max(a[axis], b[axis]) < min(c[axis], d[axis]):
            return False
        if max(c[axis], d[axis]) < min(a[axis], b[axis]):
            return False
    return _turn(a, b, c) * _turn(a, b, d) <= 0 and _turn(c, d, a) * _turn(c, d, b) <= 0
