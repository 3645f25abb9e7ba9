"""A region is found by tree and by what people type."""

import pytest

from alertd.atlas import load_atlas
from alertd.console.officials.areas import Region, matching, tree
from alertd.resources import home


@pytest.fixture(scope="module")
def greece() -> Region:
    return tree(load_atlas(home("config") / "regions"), "GR", "el")


def test_the_country_holds_its_regions_in_the_order_of_the_reader(greece: Region) -> None:
    names = [region.name for region in greece.children]
    assert greece.name == "Ελλάδα"
    assert names[:2] == ["Άγιο Όρος", "Ανατολική Μακεδονία και Θράκη"]


@pytest.mark.parametrize("sought", ["αττικη", "ΑΤΤΙΚΉ", "attic", "GR-I"])
def test_a_region_is_found_without_accents_in_any_language_and_by_code(
    greece: Region, sought: str
) -> None:
    assert "GR-I" in [region.code for region in matching(greece, sought)]


def test_nothing_is_found_for_nonsense(greece: Region) -> None:
    assert matching(greece, "zzz") == ()
