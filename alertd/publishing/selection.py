"""Which of the incidents a feed holds: real ones or exercises, in a language, for a region."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from alertd.core.errors import NotFound
from alertd.core.regions import Atlas
from alertd.core.ruleset import RuleSet
from alertd.publishing.edition import MAX_ENTRIES, Edition, Incident
from alertd.rulebook import Rulebook
from alertd.templating import Catalogue, Templates
from alertd.tools import Tools

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Site:
    """What does not change while alertd runs: addresses, languages, regions and their names."""

    public_url: str
    rulebook: Rulebook
    atlas: Atlas
    templates: Templates
    hub: str = ""  # where the Atom feeds can be subscribed to; empty without the channel for it

    @classmethod
    def of(cls, tools: Tools) -> "Site":
        renderer = tools.renderer
        hub = f"{tools.public_url}/hub" if "websub" in tools.channels else ""
        return cls(tools.public_url, tools.rulebook, tools.atlas, renderer.templates, hub)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Give the languages of all programmes; the first is for whoever asks for none."""
        return tuple(
            dict.fromkeys(language for rules in self._rule_sets for language in rules.languages)
        )

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Give the countries of the programmes and everything below them."""
        countries = {rules.country for rules in self._rule_sets}
        return tuple(
            sorted(code for code in self.atlas.parents if code.partition("-")[0] in countries)
        )

    @property
    def _rule_sets(self) -> list[RuleSet]:
        return [self.rulebook.current(name) for name in self.rulebook.programmes()]

    def catalogue(self, language: str | None) -> Catalogue:
        return self.templates.catalogue(language or self.languages[0])

    @property
    def name(self) -> str:
        """Give who speaks."""
        return urlsplit(self.public_url).hostname or self.public_url

    def home(self, language: str | None) -> str:
        """Give the address of the page that lists what is in force."""
        return f"{self.public_url}/{language or ''}"

    def known(self, language: str) -> str:
        """Give `language`; raises NotFound when nothing is said in it."""
        if language not in self.languages:
            there_are = ", ".join(sorted(self.languages))
            raise NotFound(f"nothing is published in this language; there are: {there_are}")
        return language


@dataclass(frozen=True, slots=True)
class Selection:
    """One feed, whatever its format."""

    exercise: bool = False
    language: str | None = None  # None: each alert in its own
    region: str | None = None

    def path(self, file: str) -> str:
        parts = ("exercise" if self.exercise else "", self.language, self.region, file)
        return "/".join(("/feeds", *filter(None, parts)))

    def shown(self, edition: Edition) -> list[Incident]:
        """Give what stands in it, the newest first."""
        found = [each for each in self._known(edition) if each.entries and self._reached(each)]
        return found[:MAX_ENTRIES]

    def gone(self, edition: Edition) -> list[Incident]:
        """Give what has stood in it and does no more."""
        shown = {each.alert_id for each in self.shown(edition)}
        return [each for each in self._known(edition) if each.alert_id not in shown]

    def updated(self, edition: Edition) -> datetime:
        """Give when anything last came into it or left it."""
        dates = [each.sent_at for each in self.shown(edition)]
        dates += [self.left(each) for each in self.gone(edition)]
        return max(dates, default=_NEVER)

    def left(self, incident: Incident) -> datetime:
        """Give when one of `gone` left: with its end, or with the update that moved it away."""
        return incident.sent_at if incident.entries else incident.until

    def title(self, site: Site) -> str:
        catalogue = site.catalogue(self.language)
        gettext = catalogue.gettext.gettext
        title = gettext("Child alerts")
        if self.region:
            title = f"{title}: {site.atlas.name(self.region, catalogue.language)}"
        return f"{gettext('EXERCISE')} - {title}" if self.exercise else title

    def check(self, site: Site) -> None:
        """Raise NotFound unless there is such a feed."""
        if self.language is not None:
            site.known(self.language)
        if self.region is not None and self.region not in site.regions:
            raise NotFound(
                "there is no feed for this region; there is one for each ISO 3166-2 code"
            )

    def _known(self, edition: Edition) -> list[Incident]:
        return [
            each
            for each in edition.incidents
            if each.real is not self.exercise
            and (self.region is None or self.region in each.regions)
        ]

    def _reached(self, incident: Incident) -> bool:
        return self.region is None or self.region in incident.reaches


def selections(site: Site) -> Sequence[Selection]:
    """Give every feed that there is."""
    return [
        Selection(exercise=exercise, language=language, region=region)
        for exercise in (False, True)
        for language in (None, *site.languages)
        for region in (None, *(site.regions if language else ()))
    ]
