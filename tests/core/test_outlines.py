"""Which regions a circle or a polygon touches."""

import pytest

from alertd.core.outlines import SLACK_KM, Outline, touched

SQUARE = Outline(
    ("XX-1",), (((38.0, 23.0), (38.0, 24.0), (39.0, 24.0), (39.0, 23.0), (38.0, 23.0)),)
)
ISLAND = ((36.0, 25.0), (36.0, 25.1), (36.1, 25.1), (36.1, 25.0), (36.0, 25.0))
LAKE = ((38.2, 23.2), (38.2, 23.8), (38.8, 23.8), (38.8, 23.2), (38.2, 23.2))
KM_PER_DEGREE = 111.195


def box(south: float, west: float, north: float, east: float) -> list[tuple[float, float]]:
    return [(south, west), (south, east), (north, east), (north, west), (south, west)]


def test_a_point_inside_touches() -> None:
    assert touched([SQUARE], [(38.5, 23.5)], 0) == ["XX-1"]


@pytest.mark.parametrize("short", [0.05, -0.05])
def test_a_circle_touches_from_its_radius_and_the_slack_on(short: float) -> None:
    away = 30.0
    centre = (38.0 - away / KM_PER_DEGREE, 23.5)
    found = touched([SQUARE], [centre], away - SLACK_KM - short)
    assert found == ([] if short > 0 else ["XX-1"])


def test_a_polygon_that_crosses_without_a_corner_inside_touches() -> None:
    assert touched([SQUARE], box(38.4, 22.0, 38.6, 25.0), 0) == ["XX-1"]


def test_a_polygon_around_the_whole_region_touches() -> None:
    assert touched([SQUARE], box(30.0, 20.0, 45.0, 30.0), 0) == ["XX-1"]


def test_a_polygon_inside_the_region_touches() -> None:
    assert touched([SQUARE], box(38.4, 23.4, 38.6, 23.6), 0) == ["XX-1"]


def test_a_hole_is_no_part_of_the_region() -> None:
    ring = Outline(("XX-1",), (*SQUARE.rings, LAKE))
    assert touched([ring], [(38.5, 23.5)], 1) == []
    assert touched([ring], [(38.1, 23.5)], 1) == ["XX-1"]


def test_each_part_of_a_region_counts() -> None:
    both = Outline(("XX-1",), (*SQUARE.rings, ISLAND))
    assert touched([both], [(36.05, 25.05)], 1) == ["XX-1"]


def test_an_area_of_several_regions_names_them_all() -> None:
    shared = Outline(("XX-2", "XX-1"), SQUARE.rings)
    assert touched([shared], [(38.5, 23.5)], 1) == ["XX-1", "XX-2"]
