"""The atlas from ISO 3166 (pycountry) with the names and bounds of config/regions/*.toml."""

from pathlib import Path
from typing import Annotated

import pycountry
from pydantic import BaseModel, ConfigDict, Field

from alertd import tomlfiles
from alertd.core.geo import Box
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
    tomlfiles.refuse(faults)
    return Atlas(parents=parents, names=names, boxes=boxes)


def _iso() -> tuple[dict[str, str | None], dict[str, Words]]:
    parents: dict[str, str | None] = {}
    names: dict[str, Words] = {}
    for country in pycountry.countries:
        parents[country.alpha_2] = None
        names[country.alpha_2] = {"en": country.name}
    for region in pycountry.subdivisions:
        parents[region.code] = region.parent_code or region.country_code
        names[region.code] = {"en": region.name}
    return parents, names


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
