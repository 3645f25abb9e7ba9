"""How one language says a fact: unknown, an age, a height, an instant in the authority's zone."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal

from alertd.core.ruleset import Words
from alertd.templating import Catalogue, best_language

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wording:
    """A language's words for one authority; `written_in` is what officials write in."""

    catalogue: Catalogue
    zone: ZoneInfo
    written_in: str

    def gettext(self, message: str) -> str:
        return self.catalogue.gettext.gettext(message)

    def pgettext(self, context: str, message: str) -> str:
        return self.catalogue.gettext.pgettext(context, message)

    @property
    def foreign(self) -> str:
        """Give the tag that an official's free text must be marked by, empty in their own."""
        same = _primary(self.written_in) == _primary(self.catalogue.language)
        return "" if same else self.written_in

    @property
    def foreign_name(self) -> str:
        """Name the language of the free text: `Greek`; empty in their own."""
        if not self.foreign:
            return ""
        locale = Locale.parse(self.foreign, sep="-")
        return locale.get_language_name(self.catalogue.locale) or self.foreign

    def titled(self, words: Words) -> str:
        """Choose among texts of a rule set."""
        return words[best_language(self.catalogue.language, tuple(words))]

    def text(self, value: str) -> str:
        return self.gettext("unknown") if value == UNKNOWN else value

    def age(self, years: int | str) -> str:
        if isinstance(years, str):
            return self.text(years)
        if years == 0:
            return self.gettext("under 1 year old")
        form = self.catalogue.gettext.ngettext("%(num)s year old", "%(num)s years old", years)
        return form % {"num": years}

    def height(self, centimetres: int | str) -> str:
        if isinstance(centimetres, str):
            return self.text(centimetres)
        metres = format_decimal(centimetres / 100, "0.00", locale=self.catalogue.locale)
        return self.gettext("%(metres)s m") % {"metres": metres, "centimetres": centimetres}

    def sex(self, sex: str, *, adult: bool) -> str:
        grown = {
            "female": self.pgettext("sex", "woman"),
            "male": self.pgettext("sex", "man"),
        }
        young = {
            "female": self.pgettext("sex", "girl"),
            "male": self.pgettext("sex", "boy"),
        }
        words = (grown if adult else young) | {"other": self.pgettext("sex", "other")}
        return words.get(sex) or self.gettext("unknown")

    def country(self, code: str) -> str:
        return self.catalogue.locale.territories.get(code) or self.text(code)

    def moment(self, at: datetime) -> str:
        """Give date and time in full, in the authority's zone: `22 November 2026, 14:40`."""
        return self._format(self.pgettext("date pattern", "d MMMM y, HH:mm"), at)

    def short(self, at: datetime) -> str:
        """Give day, month and time, for SMS: `22 Nov 14:40`."""
        return self._format(self.pgettext("date pattern", "d MMM HH:mm"), at)

    def _format(self, pattern: str, at: datetime) -> str:
        return format_datetime(at, pattern, tzinfo=self.zone, locale=self.catalogue.locale)


def autonym(tag: str) -> str:
    """Name a language as its speakers do: `Ελληνικά`."""
    name = Locale.parse(tag, sep="-").get_display_name() or tag
    return name[:1].upper() + name[1:]


def years_between(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()
