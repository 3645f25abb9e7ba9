"""JSON Feed 1.1, and GeoJSON for maps; what is ours in them stands under `_alertd`."""

import json
from collections.abc import Iterator
from itertools import pairwise
from math import asin, atan2, cos, degrees, pi, radians, sin
from typing import Any

from alertd.core.cap import MEDIA_TYPE as CAP
from alertd.core.geo import EARTH_KM
from alertd.core.photo import MEDIA_TYPE as JPEG
from alertd.publishing.edition import Edition, Incident, instant
from alertd.publishing.selection import Selection, Site

JSON_FEED = "application/feed+json; charset=utf-8"
GEOJSON = "application/geo+json"

_CORNERS = 64  # of a circle


def write_json(edition: Edition, selection: Selection, site: Site) -> bytes:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": selection.title(site),
        "home_page_url": site.home(selection.language),
        "feed_url": site.public_url + selection.path("feed.json"),
        "language": selection.language,
        "authors": [{"name": site.name}],
        "items": [item(each, selection.language, site) for each in selection.shown(edition)],
        "_alertd": {
            "deleted": [
                {"id": each.id, "when": instant(selection.left(each))}
                for each in selection.gone(edition)
            ]
        },
    }
    return _dump({name: value for name, value in document.items() if value is not None})


def item(incident: Incident, language: str | None, site: Site) -> dict[str, Any]:
    """Give one incident as JSON Feed's item; the manifest holds its digest."""
    entry = incident.entry(language)
    made: dict[str, Any] = {
        "id": incident.id,
        "url": entry.link,
        "title": entry.title,
        "content_text": entry.summary,
        "date_published": instant(incident.first_sent_at),
        "date_modified": instant(incident.sent_at),
        "language": entry.language,
        "tags": [entry.category],
        "_alertd": _facts(incident, language),
    }
    if incident.photos:
        made["image"] = incident.photos[0].url(site.public_url)
    if attachments := list(_attachments(incident, site)):
        made["attachments"] = attachments
    return made


def _attachments(incident: Incident, site: Site) -> Iterator[dict[str, Any]]:
    if cap := incident.cap:
        yield {"url": site.public_url + cap.path, "mime_type": CAP, "size_in_bytes": cap.size}
    for photo in incident.photos:
        url, length = photo.url(site.public_url), photo.linked.length
        yield {"url": url, "mime_type": JPEG, "size_in_bytes": length}


def write_geojson(edition: Edition, selection: Selection, site: Site) -> bytes:
    features = []
    for incident in selection.shown(edition):
        entry = incident.entry(selection.language)
        properties = _facts(incident, selection.language) | {
            "title": entry.title,
            "summary": entry.summary,
            "language": entry.language,
            "url": entry.link,
            "cap": site.public_url + incident.cap.path if incident.cap else None,
            "photos": [photo.url(site.public_url) for photo in incident.photos],
            "sent": instant(incident.sent_at),
        }
        features.append(
            {
                "type": "Feature",
                "id": incident.id,
                "geometry": geometry(entry.shape),
                "properties": properties,
            }
        )
    return _dump({"type": "FeatureCollection", "features": features})


def geometry(shape: Any) -> dict[str, Any] | None:
    """Give the area's outline, else where the child was last seen; longitude first (RFC 7946)."""
    if ring := shape.get("polygon"):
        return {"type": "Polygon", "coordinates": [_anticlockwise([(b, a) for a, b in ring])]}
    if circle := shape.get("circle"):
        ring = _around(circle["centre"], circle["radius_km"])
        return {"type": "Polygon", "coordinates": [_anticlockwise(ring)]}
    if seen := shape.get("last_seen"):
        return {"type": "Point", "coordinates": [seen[1], seen[0]]}
    return None


def _facts(incident: Incident, language: str | None) -> dict[str, Any]:
    entry = incident.entry(language)
    return {
        "alert_id": incident.alert_id,
        "identifier": incident.identifier,
        "status": entry.status,
        "state": "live" if incident.live else "ended",
        "regions": list(entry.regions),
        "until": instant(incident.until),
    }


def _around(centre: tuple[float, float], radius_km: float) -> list[tuple[float, float]]:
    """Give corners at that distance from the centre, on the sphere."""
    latitude, longitude = map(radians, centre)
    angle = radius_km / EARTH_KM
    ring = []
    for corner in range(_CORNERS):
        bearing = 2 * pi * corner / _CORNERS
        north = asin(sin(latitude) * cos(angle) + cos(latitude) * sin(angle) * cos(bearing))
        east = longitude + atan2(
            sin(bearing) * sin(angle) * cos(latitude), cos(angle) - sin(latitude) * sin(north)
        )
        ring.append((round(degrees(east), 6), round(degrees(north), 6)))
    return [*ring, ring[0]]


def _anticlockwise(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Turn an outer ring as RFC 7946 3.1.6 wants it."""
    twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    return ring if twice > 0 else ring[::-1]


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode()
