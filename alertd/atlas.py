"""The atlas from ISO 3166 (pycountry) with what config/regions says of countries.

A country's `.toml` holds names and bounds; a `.geojson` of the same name, where there is one, the
outlines of its regions, which the console draws and finds the regions of a circle by.
"""

import json
from pathlib import Path
from typing import Annotated

import pycountry
from geojson_pydantic import Feature, FeatureCollection, MultiPolygon
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alertd import tomlfiles
from alertd.core.geo import Box
from alertd.core.outlines import Outline
from alertd.core.problems import problems_of
from alertd.core.regions import Atlas
from alertd.core.ruleset import Words

Degrees = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bounds(Strict):
    south: Degrees
    west: Degrees
    north: Degrees
    east: Degrees


class Country(Strict):
    """One file of config/regions."""

    country: str
    bounds: Bounds | None = None
    names: dict[str, Words]


class Belongs(BaseModel):
    """What the outlines say of each area: the regions that it is, or is a part of."""

    regions: Annotated[tuple[str, ...], Field(min_length=1)]


Outlines = FeatureCollection[Feature[MultiPolygon, Belongs]]


def load_atlas(directory: Path) -> Atlas:
    """Read the atlas; raises ConfigError naming file and key of every fault."""
    parents, names = _iso()
    files, faults = tomlfiles.load(directory, Country)
    boxes: dict[str, Box] = {}
    for path, country in files.items():
        faults += _faults(path, country, parents)
        names |= {code: names.get(code, {}) | words for code, words in country.names.items()}
        if country.bounds:
            boxes[country.country] = Box(**country.bounds.model_dump())
    outlines: dict[str, tuple[Outline, ...]] = {}
    for path, country in files.items():
        if (drawn := path.with_suffix(".geojson")).exists():
            outlines[country.country] = _outlines(drawn, parents, faults)
    tomlfiles.refuse(faults)
    return Atlas(parents=parents, names=names, boxes=boxes, outlines=outlines)


def _outlines(path: Path, parents: dict[str, str | None], faults: list[str]) -> tuple[Outline, ...]:
    """Read the outlines of a country's regions; adds to `faults` what is wrong with them."""
    try:
        drawn = Outlines.model_validate_json(path.read_bytes())
    except ValidationError as error:
        faults += [f"{path}: {each.field}: {each.message}" for each in problems_of(error)]
        return ()
    except OSError as error:
        faults.append(f"{path}: cannot be read: {error.strerror}")
        return ()
    found = []
    for number, feature in enumerate(drawn.features):
        if feature.properties is None or feature.geometry is None:
            faults.append(f"{path}: features.{number}: needs properties and a geometry")
            continue
        regions = feature.properties.regions
        faults += [
            f"{path}: features.{number}.properties.regions: {code} is no ISO 3166-2 code"
            for code in regions
            if code not in parents
        ]
        rings = [ring for polygon in feature.geometry.coordinates for ring in polygon]
        points = tuple(tuple((each[1], each[0]) for each in ring) for ring in rings)
        found.append(Outline(regions=regions, rings=points))
    return tuple(found)


def _iso() -> tuple[dict[str, str | None], dict[str, Words]]:
    """Read the package's files: its own objects of them would stay, for 5 MiB in each process."""
    parents: dict[str, str | None] = {}
    names: dict[str, Words] = {}
    for country in _table("3166-1"):
        parents[country["alpha_2"]] = None
        names[country["alpha_2"]] = {"en": country["name"]}
    for region in _table("3166-2"):
        home, above = region["code"].partition("-")[0], region.get("parent")
        parents[region["code"]] = f"{home}-{above.removeprefix(f'{home}-')}" if above else home
        names[region["code"]] = {"en": region["name"]}
    return parents, names


def _table(standard: str) -> list[dict[str, str]]:
    path = Path(pycountry.DATABASE_DIR, f"iso{standard}.json")
    rows: list[dict[str, str]] = json.loads(path.read_bytes())[standard]
    return rows


def _faults(path: Path, country: Country, parents: dict[str, str | None]) -> list[str]:
    own = country.country
    faults = [] if own in parents else [f"{path}: country: is no ISO 3166-1 code"]
    faults += [
        f"{path}: names.{code}: is no ISO 3166-2 code of {own}"
        for code in country.names
        if code not in parents or code.partition("-")[0] != own
    ]
    box = country.bounds
    if box and not (box.south < box.north and box.west < box.east):
        faults.append(f"{path}: bounds: south must be below north, west below east")
    return faults
