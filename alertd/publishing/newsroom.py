"""What newsrooms need: how to subscribe, a feed to try with, and a banner to embed."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from alertd.pipeline.wording import autonym
from alertd.publishing.edition import Edition
from alertd.publishing.pages import FEEDS, render, row
from alertd.publishing.selection import Selection, Site
from alertd.resources import home

NEWSROOM = "/newsroom"
BANNER = "/banner"
SCHEMAS = ("state", "webhook")
_TRIED = 5  # exercises that the page lists


def write_newsroom(edition: Edition, site: Site, language: str | None, now: datetime) -> bytes:
    """Tell newsrooms how to listen, and how we are."""
    catalogue = site.catalogue(language)
    tag = catalogue.language
    exercises = Selection(exercise=True, language=tag).shown(edition)
    banner = site.public_url + path_of(BANNER, tag)
    context = {
        "feeds": _feeds(site, tag, exercise=False),
        "exercise_feeds": _feeds(site, tag, exercise=True),
        "exercises": [row(each, catalogue) for each in exercises[:_TRIED]],
        "live": len([each for each in Selection(language=tag).shown(edition) if each.live]),
        "as_of": catalogue.moment(now, ZoneInfo(site.rulebook.any().authority_timezone)),
        "sequence": edition.sequence,
        "site": site.public_url,
        "banner": banner,
        "home": site.home(tag),
        "translations": _translations(site, lambda each: site.public_url + path_of(NEWSROOM, each)),
    }
    return render(site, catalogue, "newsroom.html", context, real=True)


def write_banner(edition: Edition, site: Site, language: str | None) -> bytes:
    """Give one line for other people's pages: what is in force, or that nothing is."""
    catalogue = site.catalogue(language)
    tag = catalogue.language
    live = [each for each in Selection(language=tag).shown(edition) if each.live]
    context = {
        "alerts": [row(each, catalogue) for each in live],
        "home": site.home(tag),
    }
    return render(site, catalogue, "banner.html", context, real=True)


def read_schema(name: str) -> bytes:
    return (home("config") / "schemas" / f"{name}.json").read_bytes()


def schema_path(name: str) -> str:
    return f"/schemas/{name}.json"


def path_of(page: str, language: str | None) -> str:
    return f"{page}/{language or ''}" if language or not page else page


def _feeds(site: Site, language: str, *, exercise: bool) -> list[dict[str, str]]:
    selection = Selection(exercise=exercise, language=language)
    return [
        {"title": title, "link": site.public_url + selection.path(file)} for title, file, _ in FEEDS
    ]


def _translations(site: Site, link: Callable[[str], str]) -> list[dict[str, str]]:
    return [
        {"language": each, "name": autonym(each), "link": link(each)} for each in site.languages
    ]
