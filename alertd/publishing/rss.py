"""RSS 2.0 and Atom 1.0. The same incidents give the same bytes, whenever and wherever built."""

from datetime import UTC, datetime
from typing import Any

from feedgen.feed import FeedGenerator
from lxml import etree

from alertd.core.cap import MEDIA_TYPE as CAP
from alertd.publishing.edition import Edition, Incident, instant
from alertd.publishing.selection import Selection, Site

RSS = "application/rss+xml; charset=utf-8"
ATOM = "application/atom+xml; charset=utf-8"
TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"  # RFC 6721

_TTL_MIN = "1"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Tombstones:
    """Names in Atom what has left the feed; an extension as feedgen takes it."""

    def __init__(self) -> None:
        self.gone: list[Incident] = []

    def extend_ns(self) -> dict[str, str]:
        return {"at": TOMBSTONES}

    def extend_atom(self, feed: etree._Element) -> etree._Element:
        for each in self.gone:
            etree.SubElement(
                feed, f"{{{TOMBSTONES}}}deleted-entry", ref=each.id, when=instant(_left(each))
            )
        return feed


def write_rss(edition: Edition, selection: Selection, site: Site) -> bytes:
    feed = _feed(selection, site, "rss.xml")
    feed.ttl(_TTL_MIN)
    feed.lastBuildDate(_updated(edition, selection))
    for incident in selection.shown(edition):
        item = _entry(feed, incident, selection)
        item.published(incident.sent_at)  # there is no other date that a reader would sort by
        if incident.cap:
            item.enclosure(site.public_url + incident.cap.path, str(incident.cap.size), CAP)
    body: bytes = feed.rss_str(pretty=True)
    return body


def write_atom(edition: Edition, selection: Selection, site: Site) -> bytes:
    feed = _feed(selection, site, "atom.xml")
    feed.author(name=site.name(selection.language))
    feed.updated(_updated(edition, selection))
    for incident in selection.shown(edition):
        item = _entry(feed, incident, selection)
        item.published(incident.first_sent_at)
        item.updated(incident.sent_at)
        if incident.cap:
            href = site.public_url + incident.cap.path
            item.link(href=href, rel="alternate", type=CAP, length=str(incident.cap.size))
    feed.register_extension("tombstones", Tombstones, None, atom=True, rss=False)
    feed.tombstones.gone = selection.gone(edition)
    body: bytes = feed.atom_str(pretty=True)
    return body


def _feed(selection: Selection, site: Site, file: str) -> Any:
    feed: Any = FeedGenerator()
    address = site.public_url + selection.path(file)
    feed.id(address)
    feed.title(selection.title(site))
    feed.description(selection.title(site))
    feed.link(href=address, rel="self")
    feed.link(href=site.home(selection.language), rel="alternate", type="text/html")
    feed.generator("alertd")
    if selection.language:
        feed.language(selection.language)
    return feed


def _entry(feed: Any, incident: Incident, selection: Selection) -> Any:
    entry = incident.entry(selection.language)
    item = feed.add_entry(order="append")
    item.id(incident.id)
    item.guid(incident.id, permalink=True)
    item.title(entry.title)
    item.summary(entry.summary)
    item.link(href=entry.link, rel="alternate", type="text/html", hreflang=entry.language)
    item.category(term=entry.category)
    return item


def _updated(edition: Edition, selection: Selection) -> datetime:
    """Give when the feed last changed; feedgen would put the hour of building."""
    dates = [each.sent_at for each in selection.shown(edition)]
    dates += [_left(each) for each in selection.gone(edition)]
    return max(dates, default=_NEVER)


def _left(incident: Incident) -> datetime:
    """Give when it left: with its end, or, where it still stands elsewhere, with its update."""
    return incident.sent_at if incident.entries else incident.until
