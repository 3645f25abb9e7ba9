"""Profiles: what a community asks of CAP beyond the standard, as data."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alertd.core.cap.findings import MOST, Finding, Level, Node, finding
from alertd.core.gsm import size

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Sentence = Annotated[str, Field(min_length=1, max_length=500)]


class Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(Data):
    """Looks, in every element `at`, at the children `of` and counts and reads them."""

    id: Name
    level: Level
    clause: Sentence
    says: Sentence
    at: Literal["alert", "info", "resource", "area"]
    of: Annotated[str, Field(pattern=r"^[a-zA-Z]{1,20}$")]
    named: str | None = None  # of an eventCode, parameter or geocode: this valueName alone
    when: Mapping[str, tuple[str, ...]] = {}  # only in messages whose element says one of these
    least: Annotated[int, Field(ge=0)] = 0
    most: Annotated[int, Field(ge=0)] | None = None
    pattern: str | None = None  # what every value must match as a whole
    longest: Annotated[int, Field(ge=1)] | None = None  # characters, or ...
    gsm7: Annotated[int, Field(ge=1)] | None = None  # ... septets of a text that fits GSM-7,
    ucs2: Annotated[int, Field(ge=1)] | None = None  # and 16-bit units of one that does not

    def findings(self, alert: Node) -> Iterator[Finding]:
        if any(alert.value(name) not in wanted for name, wanted in self.when.items()):
            return
        holders = [alert] if self.at == "alert" else alert.deep(self.at)
        yield from islice(chain.from_iterable(map(self._in, holders)), MOST)

    def _in(self, holder: Node) -> Iterator[Finding]:
        found = [
            each
            for each in holder.all(self.of)
            if self.named is None or each.value("valueName") == self.named
        ]
        if len(found) < self.least or (self.most is not None and len(found) > self.most):
            yield finding(self.id, self.level, self.clause, self.says, holder)
        for each in found:
            text = each.value("value") if each.first("valueName") else each.text
            if not self._allows(text):
                yield finding(self.id, self.level, self.clause, self.says, each)

    def _allows(self, text: str) -> bool:
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            return False
        if self.longest is not None and len(text) > self.longest:
            return False
        alphabet, used = size(text)
        bound = self.gsm7 if alphabet == "gsm7" else self.ucs2
        return bound is None or used <= bound


class Profile(Data):
    """One community's rules; `levels` raises, lowers or (`off`) silences those of the standard."""

    name: Name
    title: Sentence
    source: Sentence  # where the rules are written down, and what of them is not
    levels: Mapping[str, Level | Literal["off"]] = {}
    checks: tuple[Check, ...] = ()


PLAIN = Profile(name="plain", title="CAP 1.2", source="The OASIS standard itself.")
