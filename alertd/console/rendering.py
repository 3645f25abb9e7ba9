"""The console's templates and words: Jinja2, escaped always, with its own catalogues.

Every `console*.po` of a language is one catalogue: each part of the console has its own file.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, get_timezone_location
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from alertd.core.language import asked_for, best_language
from alertd.resources import home
from alertd.templating import SOURCE_LANGUAGE, Gettext, Memory


def N_(message: str) -> str:  # noqa: N802 - gettext's own name
    """Mark a message for the catalogue; it is looked up where it is said."""
    return message


STATIC = Path(__file__).parent / "static"
_COMPILED = Memory()


@dataclass(frozen=True)
class Words:
    """How one language says a message, an instant, a number."""

    language: str
    catalogue: Gettext
    zone: ZoneInfo  # the authority's

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(self.language, sep="-")

    def say(self, message: str, **values: object) -> str:
        said = self.catalogue.gettext(message)
        return said % values if values else said

    def ngettext(self, one: str, many: str, number: int, **values: object) -> str:
        """Say a message that depends on how many there are; `n` is that number as it is written."""
        return self.catalogue.ngettext(one, many, number) % {"n": self.number(number), **values}

    def clock(self, at: datetime, *, seconds: bool = False) -> str:
        """Give `02:14`, or `02:14:31`."""
        return f"{at.astimezone(self.zone):{'%H:%M:%S' if seconds else '%H:%M'}}"

    def date(self, at: datetime) -> str:
        """Give `22 November 2026`."""
        return _day(at.astimezone(self.zone).date(), self.language)

    def moment(self, at: datetime, *, seconds: bool = False) -> str:
        """Give date, time and the zone's name."""
        return f"{self.date(at)}, {self.clock(at, seconds=seconds)} ({self.zone_name})"

    @cached_property
    def zone_name(self) -> str:
        """Name the zone's city: true in summer too, and nobody has to know what EET is."""
        return get_timezone_location(self.zone, locale=self.locale, return_city=True)

    def number(self, value: float) -> str:
        return format_decimal(value, locale=self.locale)

    def money(self, amount: Decimal, currency: str) -> str:
        """Give `1,234.00 EUR` as the language writes it: by code, which needs no sign."""
        return format_currency(
            amount, currency, format="#,##0.00 ¤¤", locale=self.locale, currency_digits=False
        )

    def percent(self, part: float, whole: float) -> str:
        """Give how much `part` is of `whole`; 100 % only when nothing is missing."""
        share = min(part / whole, 1.0) if whole else 0.0
        if part < whole:
            share = min(share, 0.99)
        return format_percent(share, "0 %", locale=self.locale)


@lru_cache(maxsize=1000)
def _day(day: date, language: str) -> str:
    return format_date(day, "d MMMM y", locale=Locale.parse(language, sep="-"))


class Rendering:
    """Every template of the console, in every language there is a catalogue for."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._root = home("templates")
        self.static = _Static(STATIC)
        self.languages = self._find_languages()
        self._words = {tag: Words(tag, _catalogue(tag), zone) for tag in self.languages}
        self._environments = {tag: self._environment(tag) for tag in self.languages}

    def words(self, language: str, zone: ZoneInfo | None = None) -> Words:
        """Give the words of the language nearest to `language`, in `zone` or the authority's."""
        words = self._words[best_language(language, self.languages)]
        return words if zone is None else Words(words.language, words.catalogue, zone)

    def choose(self, *wanted: str | None) -> str:
        """Give the first language of `wanted` that there is; else the first there is."""
        found = (asked_for(tags, self.languages) for tags in wanted if tags)
        return next(filter(None, found), self.languages[0])

    def render(self, language: str, template: str, context: Mapping[str, Any]) -> str:
        environment = self._environments[language]
        return environment.get_template(template).render(context)

    def _environment(self, language: str) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(self._root / "console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=_COMPILED,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        words = self._words[language]
        cast("Any", environment).install_gettext_callables(  # added by the extension
            words.catalogue.gettext,
            words.catalogue.ngettext,
            newstyle=True,
            pgettext=words.catalogue.pgettext,
            npgettext=words.catalogue.npgettext,
        )
        environment.globals.update(
            words=words,
            clock=words.clock,
            date=words.date,
            moment=words.moment,
            number=words.number,
            money=words.money,
            percent=words.percent,
            zone_name=words.zone_name,
            static=self.static.url,
            stamp=_stamp,
        )
        environment.filters["breakable"] = _breakable
        return environment

    def _find_languages(self) -> tuple[str, ...]:
        files = self._root.glob("locale/*/LC_MESSAGES/console.po")
        found = sorted(file.parent.parent.name for file in files)
        return (*found, SOURCE_LANGUAGE)  # the authority's own first


@cache
def _catalogue(language: str) -> Gettext:
    files = sorted(home("templates").glob(f"locale/{language}/LC_MESSAGES/console*.po"))
    if not files:
        return NullTranslations()
    whole = Catalog(locale=language)
    for file in files:
        with file.open("rb") as source:
            part = read_po(source, locale=language, abort_invalid=True)
        for message in part:
            if message.id:
                whole[message.id] = message
    compiled = BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return GNUTranslations(compiled)


class _Static:
    """The files that pages need, read once; an address changes with its file."""

    TYPES: Mapping[str, str] = {
        ".css": "text/css",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
        ".json": "application/json",
    }

    def __init__(self, folder: Path) -> None:
        files = [file for file in folder.iterdir() if file.suffix in self.TYPES]
        self.files = {file.name: (file.read_bytes(), self.TYPES[file.suffix]) for file in files}
        self._tags = {
            name: hashlib.sha256(body).hexdigest()[:16] for name, (body, _) in self.files.items()
        }

    def url(self, name: str) -> str:
        return f"/static/{name}?v={self._tags[name]}"


def _stamp(at: datetime) -> Markup:
    """Give what a `time` element's `datetime` says."""
    return Markup(at.isoformat(timespec="seconds"))  # noqa: S704 - digits and signs alone


def _breakable(address: str) -> Markup:
    """Let an address break before its host, where it has to."""
    return escape(address).replace("@", Markup("<wbr>@"))
