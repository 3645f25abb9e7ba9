"""Atom 1.0 (RFC 4287), with tombstones for what has left (RFC 6721).

Written out here: feedgen drops media type and relation of an entry's links.
"""

from lxml import etree

from alertd.core.cap import MEDIA_TYPE as CAP
from alertd.core.photo import MEDIA_TYPE as JPEG
from alertd.publishing.edition import Edition, Incident, instant
from alertd.publishing.selection import Selection, Site

ATOM = "application/atom+xml; charset=utf-8"

_ATOM = "http://www.w3.org/2005/Atom"
_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"


def write_atom(edition: Edition, selection: Selection, site: Site) -> bytes:
    address = site.public_url + selection.path("atom.xml")
    feed = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM, "at": _TOMBSTONES})
    if selection.language:
        feed.set("{http://www.w3.org/XML/1998/namespace}lang", selection.language)
    _add(feed, "id", address)
    _add(feed, "title", selection.title(site))
    _add(feed, "updated", instant(selection.updated(edition)))
    _add(_add(feed, "author"), "name", site.name)
    _add(feed, "link", rel="self", type="application/atom+xml", href=address)
    if site.hub:
        _add(feed, "link", rel="hub", href=site.hub)
    _add(feed, "link", rel="alternate", type="text/html", href=site.home(selection.language))
    _add(feed, "generator", "alertd")
    for incident in selection.gone(edition):
        left = instant(selection.left(incident))
        etree.SubElement(feed, f"{{{_TOMBSTONES}}}deleted-entry", ref=incident.id, when=left)
    for incident in selection.shown(edition):
        _add_entry(feed, incident, selection, site)
    return etree.tostring(feed, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _add_entry(feed: etree._Element, incident: Incident, selection: Selection, site: Site) -> None:
    said = incident.entry(selection.language)
    entry = _add(feed, "entry")
    entry.set("{http://www.w3.org/XML/1998/namespace}lang", said.language)
    _add(entry, "id", incident.id)
    _add(entry, "title", said.title)
    _add(entry, "published", instant(incident.first_sent_at))
    _add(entry, "updated", instant(incident.sent_at))
    _add(entry, "link", rel="alternate", type="text/html", hreflang=said.language, href=said.link)
    if incident.cap:
        href = site.public_url + incident.cap.path
        _add(entry, "link", rel="enclosure", type=CAP, length=str(incident.cap.size), href=href)
    for photo in incident.photos:
        href, length = photo.url(site.public_url), str(photo.linked.length)
        _add(entry, "link", rel="enclosure", type=JPEG, length=length, href=href)
    _add(entry, "category", term=said.category)
    _add(entry, "summary", said.summary)


def _add(
    parent: etree._Element, name: str, text: str | None = None, **given: str
) -> etree._Element:
    child = etree.SubElement(parent, f"{{{_ATOM}}}{name}", given)
    child.text = text
    return child
