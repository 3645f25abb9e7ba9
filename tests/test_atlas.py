"""The regions that there are, their names, and who hears of which."""

from pathlib import Path

import pytest

from alertd.atlas import load_atlas
from alertd.core.errors import ConfigError
from alertd.core.outlines import touched
from alertd.core.regions import Atlas
from alertd.resources import home


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return load_atlas(home("config") / "regions")


def subdivisions(atlas: Atlas, country: str) -> list[str]:
    return [code for code, parent in atlas.parents.items() if parent == country]


@pytest.mark.parametrize(("country", "count"), [("GR", 14), ("CY", 6)])
def test_every_region_has_a_greek_and_an_english_name(
    atlas: Atlas, country: str, count: int
) -> None:
    codes = subdivisions(atlas, country)
    assert len(codes) == count
    for code in [country, *codes]:
        greek, english = atlas.name(code, "el"), atlas.name(code, "en")
        assert all("Ͱ" <= char <= "Ͽ" or char == " " for char in greek.replace("Ά", "Α"))
        assert english.isascii()
        assert atlas.name(code, "el-GR") == greek


def test_names_are_written_as_people_write_them(atlas: Atlas) -> None:
    assert atlas.name("GR-I", "el") == "Αττική"
    assert atlas.name("GR-M", "el") == "Κρήτη"
    assert atlas.name("GR-69", "en") == "Mount Athos"


def test_name_that_is_not_ours_is_that_of_the_standard(atlas: Atlas) -> None:
    assert atlas.name("RS-00", "sr") == "Beograd"
    assert atlas.name("ZZ-9", "el") == "ZZ-9"


def test_name_in_a_language_that_we_have_not_is_english(atlas: Atlas) -> None:
    assert atlas.name("GR-I", "fr") == "Attica"


def test_alert_reaches_those_of_the_region_and_of_the_whole_country(atlas: Atlas) -> None:
    assert atlas.reaches(["GR-I"]) == {"GR-I", "GR"}


def test_alert_for_a_country_reaches_every_region_of_it_and_no_other(atlas: Atlas) -> None:
    assert atlas.reaches(["GR"]) == {"GR", *subdivisions(atlas, "GR")}


def test_regions_of_regions_are_reached_from_above_and_below(atlas: Atlas) -> None:
    assert {"GB", "GB-SCT", "GB-EDH"} <= atlas.reaches(["GB-SCT"])
    assert atlas.reaches(["GB-EDH"]) == {"GB-EDH", "GB-SCT", "GB"}


def test_every_region_leads_up_to_its_country(atlas: Atlas) -> None:
    for code in atlas.parents:
        top = code
        for _ in range(3):
            top = atlas.parents[top] or top
        assert top == code.partition("-")[0]


def test_unknown_code_is_answered_by_near_ones(atlas: Atlas) -> None:
    assert not atlas.known("GR-Q")
    assert all(near.startswith("GR-") for near in atlas.near("GR-Q"))
    assert "GR-I (Attica)" in atlas.near("GR-IA")
    assert "GR (Greece)" in atlas.near("GRE")


def test_every_fault_of_the_files_is_named_with_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "aa.toml").write_text('country = "GR"\n[names]\nGR-Q = { el = "Χ" }\nFR = {}\n')
    (tmp_path / "bb.toml").write_text(
        'country = "CY"\nnames = {}\n[bounds]\nsouth = 36\nwest = 3\nnorth = 35\neast = nan\n'
    )
    (tmp_path / "cc.toml").write_text("country = \n")
    with pytest.raises(ConfigError) as caught:
        load_atlas(tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert f"{tmp_path}/aa.toml: names.GR-Q: is no ISO 3166-2 code of GR" in lines
    assert f"{tmp_path}/aa.toml: names.FR: is no ISO 3166-2 code of GR" in lines
    assert any("bb.toml: bounds.east" in line for line in lines)
    assert any("cc.toml: is not valid TOML" in line for line in lines)


def test_bounds_are_south_below_north(tmp_path: Path) -> None:
    (tmp_path / "cy.toml").write_text(
        'country = "CY"\nnames = {}\n[bounds]\nsouth = 36\nwest = 3\nnorth = 35\neast = 4\n'
    )
    with pytest.raises(ConfigError, match=r"cy\.toml: bounds: south must be below north"):
        load_atlas(tmp_path)


@pytest.mark.parametrize("country", ["GR", "CY"])
def test_every_region_of_ours_is_drawn(atlas: Atlas, country: str) -> None:
    drawn = {code for outline in atlas.outlines[country] for code in outline.regions}
    assert drawn == set(subdivisions(atlas, country))


@pytest.mark.parametrize(
    ("place", "region"),
    [
        ((37.975, 23.735), "GR-I"),  # Athens
        ((40.64, 22.94), "GR-B"),  # Thessaloniki
        ((35.34, 25.13), "GR-M"),  # Heraklion
        ((36.44, 28.22), "GR-L"),  # Rhodes
        ((39.62, 19.92), "GR-F"),  # Corfu
        ((40.16, 24.33), "GR-69"),  # Athos
    ],
)
def test_a_town_lies_in_its_region_and_in_no_other(
    atlas: Atlas, place: tuple[float, float], region: str
) -> None:
    assert touched(atlas.outlines["GR"], [place], 1) == [region]


def test_outlines_that_name_no_region_are_refused(tmp_path: Path) -> None:
    for name in ("gr.toml", "gr.geojson"):
        text = (home("config") / "regions" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace('"GR-I"', '"GR-99"'), "utf-8")
    with pytest.raises(ConfigError, match=r"gr\.geojson: features\.1\.properties\.regions: GR-99"):
        load_atlas(tmp_path)


def test_outlines_that_are_no_geojson_are_refused(tmp_path: Path) -> None:
    text = (home("config") / "regions" / "gr.toml").read_text("utf-8")
    (tmp_path / "gr.toml").write_text(text, "utf-8")
    (tmp_path / "gr.geojson").write_text('{"type": "FeatureCollection"}')
    with pytest.raises(ConfigError, match=r"gr\.geojson: features: "):
        load_atlas(tmp_path)
