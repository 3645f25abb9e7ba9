"""Polygons as CAP wants them, and distances."""

from math import cos, isclose, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertd.core.geo import Box, Point, distance_km, polygon_fault

ATHENS, THESSALONIKI = (37.9838, 23.7275), (40.6401, 22.9444)
GREECE = Box(south=34.8, west=19.3, north=41.8, east=29.7)
SQUARE = ((37.0, 23.0), (37.0, 24.0), (38.0, 24.0), (38.0, 23.0), (37.0, 23.0))

points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def fault(points: tuple[Point, ...]) -> str:
    found = polygon_fault(points)
    assert found is not None
    return found


def star(radii: list[float]) -> list[Point]:
    """Give a ring around Athens that sees its own centre from everywhere: it is simple."""
    step = 360 / len(radii)
    ring = [
        (ATHENS[0] + r * sin(radians(n * step)), ATHENS[1] + r * cos(radians(n * step)))
        for n, r in enumerate(radii)
    ]
    return [*ring, ring[0]]


def test_square_is_a_polygon() -> None:
    assert polygon_fault(SQUARE) is None


def test_open_ring_is_refused() -> None:
    assert "not closed: repeat the first point" in fault((*SQUARE[:-1], (37.0, 23.0001)))


def test_fewer_than_four_points_are_refused() -> None:
    assert "at least 4" in fault((SQUARE[0], SQUARE[1], SQUARE[0]))


def test_bow_tie_is_refused_naming_the_sides() -> None:
    bow = (SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0])
    assert "the side after point 1 and the side after point 3" in fault(bow)


def test_ring_that_touches_itself_in_a_point_is_refused() -> None:
    eight = ((0, 0), (1, 1), (2, 2), (2, 0), (1, 1), (0, 2), (0, 0))
    assert "crosses or touches itself" in fault(eight)


@pytest.mark.parametrize(
    "ring",
    [
        ((0, 0), (0, 2), (0, 1), (1, 1), (0, 0)),  # a side goes back on itself
        ((0, 0), (1, 1), (2, 2), (0, 0)),  # all on one line
        ((0, 0), (0, 3), (1, 3), (1, 1), (0, 1), (0, 0)),  # runs along an earlier side
    ],
)
def test_ring_that_runs_along_itself_is_refused(ring: tuple[Point, ...]) -> None:
    assert "crosses or touches itself" in fault(ring)


def test_point_twice_in_a_row_is_refused() -> None:
    assert "twice in a row" in fault((SQUARE[0], SQUARE[0], *SQUARE[1:]))


def test_ring_over_the_180th_meridian_is_refused() -> None:
    assert "180th" in fault(((0, 179), (1, 179), (1, -179), (0, -179), (0, 179)))


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=60))
def test_ring_around_a_centre_is_simple(radii: list[float]) -> None:
    assert polygon_fault(star(radii)) is None


@given(st.lists(st.floats(0.5, 1), min_size=8, max_size=40), st.integers(0, 39))
def test_ring_with_two_far_corners_swapped_crosses(radii: list[float], first: int) -> None:
    ring = star(radii)[:-1]
    first %= len(ring)
    second = (first + len(ring) // 2) % len(ring)
    ring[first], ring[second] = ring[second], ring[first]
    assert "crosses" in fault((*ring, ring[0]))


@given(st.lists(st.floats(0.01, 1), min_size=5, max_size=30), st.integers(0, 29))
def test_verdict_depends_on_neither_start_nor_direction(radii: list[float], start: int) -> None:
    ring = star(radii)[:-1]
    ring[0], ring[2] = ring[2], ring[0]
    start %= len(ring)
    turned = [*ring[start:], *ring[:start]]
    verdicts = {polygon_fault([*each, each[0]]) is None for each in (ring, turned, ring[::-1])}
    assert len(verdicts) == 1


def test_largest_ring_is_judged() -> None:
    assert polygon_fault(star([0.5 + n % 2 / 10 for n in range(499)])) is None


def test_distance_is_that_of_the_map() -> None:
    assert isclose(distance_km(ATHENS, THESSALONIKI), 302.7, abs_tol=1)
    assert isclose(distance_km((0, 0), (0, 180)), 20015, abs_tol=1)


@given(points, points)
def test_distance_is_the_same_both_ways_and_no_more_than_half_round(a: Point, b: Point) -> None:
    assert isclose(distance_km(a, b), distance_km(b, a), abs_tol=1e-6)
    assert 0 <= distance_km(a, b) <= 20016
    assert distance_km(a, a) == 0


def test_distance_from_a_box_is_nothing_inside_it() -> None:
    assert GREECE.distance_km(ATHENS) == 0
    assert isclose(GREECE.distance_km((42.8, 25.0)), 111.2, abs_tol=1)
