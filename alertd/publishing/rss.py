"""RSS 2.0. The same incidents give the same bytes, whenever and wherever it is built."""

from typing import Any

from feedgen.feed import FeedGenerator

from alertd.core.cap import MEDIA_TYPE as CAP
from alertd.core.photo import MEDIA_TYPE as JPEG
from alertd.core.photo import Photo
from alertd.publishing.edition import Edition
from alertd.publishing.selection import Selection, Site

RSS = "application/rss+xml; charset=utf-8"

_TTL_MIN = "1"


def write_rss(edition: Edition, selection: Selection, site: Site) -> bytes:
    feed: Any = FeedGenerator()
    feed.load_extension("media", atom=False)
    feed.title(selection.title(site))
    feed.description(selection.title(site))
    feed.link(href=site.public_url + selection.path("rss.xml"), rel="self")
    feed.link(href=site.home(selection.language), rel="alternate")
    feed.ttl(_TTL_MIN)
    feed.generator("alertd")
    if selection.language:
        feed.language(selection.language)
    # Feedgen would put the hour of building here, and every build would look new.
    feed.lastBuildDate(selection.updated(edition))
    for incident in selection.shown(edition):
        entry = incident.entry(selection.language)
        item = feed.add_entry(order="append")
        item.guid(incident.id, permalink=True)
        item.title(entry.title)
        item.description(entry.summary)
        item.link(href=entry.link)
        item.category(term=entry.category)
        item.published(incident.sent_at)  # there is no other date that a reader would sort by
        if incident.cap:
            item.enclosure(site.public_url + incident.cap.path, str(incident.cap.size), CAP)
        # RSS has one enclosure per item.
        item.media.content([_content(photo, site) for photo in incident.photos], group=None)
    body: bytes = feed.rss_str(pretty=True)
    return body


def _content(photo: Photo, site: Site) -> dict[str, str]:
    """Give a photo as Media RSS's `media:content`."""
    return {
        "url": photo.url(site.public_url),
        "type": JPEG,
        "medium": "image",
        "fileSize": str(photo.linked.length),
        "width": str(photo.linked.width),
        "height": str(photo.linked.height),
    }
