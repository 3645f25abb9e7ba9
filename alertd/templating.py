"""Templates in Jinja's sandbox, and the gettext catalogues that give them their words.

Both are looked for in the operator's directory first, then among the shipped ones:
`CHANNEL/KIND/FILE.j2` or `CHANNEL/FILE.j2`, and `locale/LANGUAGE/LC_MESSAGES/alertd.po`.
Texts in the source are English, so English needs no catalogue.
"""

import base64
import hashlib
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, cast
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from jinja2 import (
    BytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alertd.core.errors import ConfigError
from alertd.core.gsm import fit_greek
from alertd.core.language import best_language
from alertd.resources import home

__all__ = ["SOURCE_LANGUAGE", "Catalogue", "Templates", "best_language", "csp_digest"]

SOURCE_LANGUAGE = "en"
_MISSING = re.compile(
    r"('[\w. ]+' has no attribute )?'(?P<name>[A-Za-z_]\w*)'( is undefined)?", re.ASCII
)
GreekSms = Literal["gsm7", "ucs2"]


class Unset(ConfigError):
    """A template asks for what its context does not hold: `name`."""

    def __init__(self, message: str, name: str) -> None:
        self.name = name
        super().__init__(message)


class Gettext(Protocol):
    """What both a catalogue and its absence can do."""

    def gettext(self, message: str) -> str: ...

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str: ...

    def pgettext(self, context: str, message: str) -> str: ...

    def npgettext(self, context: str, msgid1: str, msgid2: str, n: int) -> str: ...


@dataclass(frozen=True)
class Catalogue:
    """The words of one language, with the locale that its dates and numbers follow."""

    language: str
    gettext: Gettext

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(self.language, sep="-")

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Give day, time and the zone's city: true in summer too, and needs no abbreviation."""
        pattern = self.gettext.pgettext("date pattern", "d MMMM y, HH:mm")
        told = format_datetime(at, f"{pattern}:ss", tzinfo=zone, locale=self.locale)
        return f"{told} ({get_timezone_location(zone, locale=self.locale, return_city=True)})"


class Memory(BytecodeCache):
    """Lets the second language, or install, of a process use what the first has compiled."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = Memory()


class Templates:
    """Every template and catalogue, read and compiled once; a faulty one is a ConfigError."""

    def __init__(self, own: Path | None = None, *, greek_sms: GreekSms = "gsm7") -> None:
        self._roots = [*([own] if own else []), home("templates")]
        self._greek_sms = greek_sms
        self._catalogues: dict[str, Catalogue] = {}
        self._environments: dict[str, ImmutableSandboxedEnvironment] = {}
        self.languages = self._find_languages()
        for language in self.languages:
            self._compile_all(language)

    def catalogue(self, language: str) -> Catalogue:
        """Give the words of `language`, or of its nearest relative, in the locale asked for."""
        if language not in self._catalogues:
            self._catalogues[language] = Catalogue(language, self._gettext(language))
        return self._catalogues[language]

    def render(
        self, language: str, channel: str, kind: str, file: str, context: Mapping[str, Any]
    ) -> str:
        """Give the text of one template in one language; raises ConfigError when it is faulty."""
        template = self._template(language, channel, kind, file)
        try:
            return template.render(context)
        except Exception as error:  # noqa: BLE001 - whatever an operator's template does
            raise _fault(template, error) from None

    def require(self, channel: str, kind: str, file: str) -> None:
        """Raise ConfigError unless there is such a template."""
        self._template(SOURCE_LANGUAGE, channel, kind, file)

    def _template(self, language: str, channel: str, kind: str, file: str) -> Template:
        names = _names(channel, kind, file)
        try:
            return self._environment(language).select_template(names)
        except TemplateSyntaxError as error:
            raise ConfigError(f"{error.name}, line {error.lineno}: {error.message}") from None
        except TemplateError:
            raise ConfigError(f"no template {' or '.join(names)}; write one") from None

    def _environment(self, language: str) -> ImmutableSandboxedEnvironment:
        if language not in self._environments:
            environment = ImmutableSandboxedEnvironment(
                loader=FileSystemLoader(self._roots),
                undefined=StrictUndefined,
                autoescape=_is_html,
                trim_blocks=True,
                lstrip_blocks=True,
                auto_reload=False,
                cache_size=-1,
                bytecode_cache=_COMPILED,
                extensions=["jinja2.ext.i18n"],
            )
            words = self.catalogue(language).gettext
            cast("Any", environment).install_gettext_callables(  # added by the extension
                words.gettext,
                words.ngettext,
                newstyle=True,
                pgettext=words.pgettext,
                npgettext=words.npgettext,
            )
            environment.filters["csp_digest"] = csp_digest
            environment.filters["sms"] = fit_greek if self._greek_sms == "gsm7" else str
            self._environments[language] = environment
        return self._environments[language]

    def _compile_all(self, language: str) -> None:
        environment = self._environment(language)
        for name in environment.list_templates(extensions=["j2"]):
            if name.startswith("console/"):  # pages: no message, and no operator's to write
                continue
            try:
                environment.get_template(name)
            except TemplateSyntaxError as error:
                raise ConfigError(f"{name}, line {error.lineno}: {error.message}") from None

    def _find_languages(self) -> tuple[str, ...]:
        found = {
            file.parent.parent.name
            for root in self._roots
            for file in root.glob("locale/*/LC_MESSAGES/alertd.po")
        }
        return tuple(sorted(found | {SOURCE_LANGUAGE}))

    def _gettext(self, language: str) -> Gettext:
        """Chain the catalogues: the operator's over the shipped, `el-CY` over `el`."""
        subtags = language.split("-")
        tags = ["-".join(subtags[:length]) for length in range(len(subtags), 0, -1)]
        files = [
            root / "locale" / tag / "LC_MESSAGES" / "alertd.po"
            for tag in tags
            for root in self._roots
        ]
        chain = [_read(file) for file in files if file.is_file()]
        if not chain and subtags[0] != SOURCE_LANGUAGE:
            raise ConfigError(f"no catalogue for {language}: write {files[0]}")
        for first, second in pairwise(chain):
            first.add_fallback(second)
        return chain[0] if chain else NullTranslations()


def csp_digest(style: str) -> str:
    """Name a style for `style-src` of a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _is_html(name: str | None) -> bool:
    return name is not None and name.endswith((".html", ".html.j2"))


def _names(channel: str, kind: str, file: str) -> Sequence[str]:
    return (f"{channel}/{kind}/{file}.j2", f"{channel}/{file}.j2")


def _read(file: Path) -> GNUTranslations:
    try:
        with file.open("rb") as source:
            catalogue = read_po(source, abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from None
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _fault(template: Template, error: Exception) -> ConfigError:
    """Name the template's own line, found in the rewritten traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    if not frames:
        return ConfigError(f"{template.name}: {type(error).__name__}")
    file, line = Path(frames[-1].filename), frames[-1].lineno
    name = _unset(error, file.read_text(encoding="utf-8"))
    at = f"{file}, line {line}"
    return Unset(f"{at}: {error}", name) if name else ConfigError(f"{at}: {type(error).__name__}")


def _unset(error: Exception, source: str) -> str:
    """Give the name that is missing, if it stands in the template, and so may be told.

    A message quotes keys that were looked up, and with `{{ labels[who] }}` that is a child's name.
    """
    match = _MISSING.fullmatch(str(error)) if isinstance(error, UndefinedError) else None
    return match["name"] if match and re.search(rf"\b{match['name']}\b", source) else ""
