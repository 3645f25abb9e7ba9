"""The two pages that no approval covers, for they say nothing of a child that a feed does not.

One lists what is in force, the other says that an alert has ended. An alert's own page is a
rendition, approved with the rest.
"""

from collections.abc import Mapping
from datetime import datetime

from babel.dates import format_datetime

from alertd.pipeline.wording import autonym
from alertd.publishing.atom import ATOM
from alertd.publishing.edition import Edition, Incident
from alertd.publishing.jsonfeed import GEOJSON, JSON_FEED
from alertd.publishing.rss import RSS
from alertd.publishing.selection import Selection, Site
from alertd.templating import Catalogue

HTML = "text/html; charset=utf-8"

FEEDS = (
    ("RSS", "rss.xml", RSS),
    ("Atom", "atom.xml", ATOM),
    ("JSON Feed", "feed.json", JSON_FEED),
    ("GeoJSON", "alerts.geojson", GEOJSON),
)


def write_list(edition: Edition, site: Site, language: str | None) -> bytes:
    """List what is in force, each alert in the language nearest to the page's."""
    catalogue = site.catalogue(language)
    tag = catalogue.language
    live = [each for each in Selection(language=tag).shown(edition) if each.live]
    context = {
        "alerts": [row(each, catalogue) for each in live],
        "feeds": [
            {
                "title": title,
                "media_type": media_type.partition(";")[0],
                "link": site.public_url + Selection(language=tag).path(file),
            }
            for title, file, media_type in FEEDS
        ],
        "translations": [
            {"language": each, "name": autonym(each), "link": site.home(each)}
            for each in site.languages
        ],
    }
    return render(site, catalogue, "list.html", context, real=True)


def write_over(site: Site, language: str | None, *, real: bool) -> bytes:
    """Say that an alert has ended: nothing of it is left."""
    catalogue = site.catalogue(language)
    home = site.home(catalogue.language)
    return render(site, catalogue, "over.html", {"home": home}, real=real)


def row(incident: Incident, catalogue: Catalogue) -> dict[str, str]:
    entry = incident.entry(catalogue.language)
    sent = datetime.fromisoformat(entry.sent)  # with the authority's offset
    pattern = catalogue.gettext.pgettext("date pattern", "d MMMM y, HH:mm")
    return {
        "title": entry.title,
        "link": entry.link,
        "language": entry.language,
        "sent_text": format_datetime(sent, pattern, tzinfo=sent.tzinfo, locale=catalogue.locale),
    }


def render(
    site: Site, catalogue: Catalogue, file: str, context: Mapping[str, object], *, real: bool
) -> bytes:
    gettext = catalogue.gettext.gettext
    word = "" if real else gettext("EXERCISE")
    line = gettext("%(mark)s - this is not a real alert") % {"mark": word} if word else ""
    marked = {"mark": word, "mark_line": line, "prefix": f"{word} - " if word else ""}
    page = {"language": catalogue.language, **marked, **context}
    return site.templates.render(catalogue.language, "feed", "public", file, page).encode()
