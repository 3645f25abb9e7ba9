"""The rule sets of config/rulesets/, checked as a whole and looked up by programme.

What nobody has confirmed yet is a proposal: it is known, and never in force. A programme whose
files were taken away stays in force, by the copy that the ledger keeps, until that is confirmed.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from alertd import tomlfiles
from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.core.ruleset import RuleSet

T = TypeVar("T")
Key = tuple[str, int]  # programme and version


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the ledger says of rule sets."""

    kept: Collection[RuleSet]  # confirmed, and in no file that was asked about
    proposed: Collection[Key]
    retired: Collection[str]
    missing: Collection[str]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All versions of all programmes."""

    rule_sets: dict[Key, RuleSet]  # as the files say
    kept: dict[Key, RuleSet] = field(default_factory=dict)  # confirmed, and in no file any more
    proposed: set[Key] = field(default_factory=set)
    retired: set[str] = field(default_factory=set)  # programmes that are over
    missing: set[str] = field(default_factory=set)  # in force, and without a file

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read every file; raises ConfigError naming file and key of every fault."""
        files, faults = tomlfiles.load(directory, RuleSet)
        if not files and not faults:
            faults.append(f"{directory}: holds no rule set (*.toml); at least one is needed")
        paths: dict[tuple[str, int], list[Path]] = defaultdict(list)
        for path, rules in files.items():
            paths[rules.programme, rules.version].append(path)
            if not _is_zone(rules.authority_timezone):
                faults.append(f"{path}: authority_timezone: is no IANA zone such as Europe/Athens")
        for (programme, version), same in paths.items():
            if len(same) > 1:
                both = ", ".join(str(path) for path in same)
                faults.append(f"{both}: version: {programme} {version} is defined more than once")
        tomlfiles.refuse(faults)
        return cls({(rules.programme, rules.version): rules for rules in files.values()})

    def settle(self, standing: Standing) -> None:
        """Learn what the ledger says: what is in force, and what the files said before."""
        self.kept.update({(rules.programme, rules.version): rules for rules in standing.kept})
        _replace(self.proposed, standing.proposed)
        _replace(self.retired, standing.retired)
        _replace(self.missing, standing.missing)

    def known(self) -> dict[Key, RuleSet]:
        """Give all that was ever in force here or may come to be."""
        return self.kept | self.rule_sets

    def programmes(self) -> tuple[str, ...]:
        """Give the programmes that have rules in force."""
        return tuple(sorted({name for name, _ in self._in_force()}))

    def any(self) -> RuleSet:
        """Give some rule set, for what is the authority's own rather than a programme's."""
        known = self._in_force() or self.known()
        return known[min(known)]

    def proposals(self) -> list[RuleSet]:
        """Give what the files propose beyond what is in force, or was in force last."""
        confirmed = self.known().keys() - self.proposed
        newest: dict[str, int] = {}
        for name, version in sorted(confirmed):
            newest[name] = version - 1 if name in self.retired else version
        return [
            self.rule_sets[key]
            for key in sorted(self.rule_sets)
            if key not in self._in_force() and key[1] > newest.get(key[0], 0)
        ]

    def removals(self) -> list[RuleSet]:
        """Give what is in force by its copy alone, for its programme has no file any more."""
        return [self.current(name) for name in self.programmes() if name in self.missing]

    def current(self, programme: str) -> RuleSet:
        """Give the highest version in force; raises InvalidAlert when there is none."""
        in_force = self._in_force()
        versions = [version for name, version in in_force if name == programme]
        if not versions:
            known = ", ".join(self.programmes())
            raise InvalidAlert([Problem("programme", f"is not known here; choose of: {known}")])
        return in_force[programme, max(versions)]

    def get(self, programme: str, version: int) -> RuleSet:
        try:
            return self.known()[programme, version]
        except KeyError:
            raise NotFound(f"no rule set {programme} of version {version}") from None

    def _in_force(self) -> dict[Key, RuleSet]:
        return {
            key: rules
            for key, rules in self.known().items()
            if key not in self.proposed and key[0] not in self.retired
        }

    @staticmethod
    def digest(rules: RuleSet) -> str:
        """Give the SHA-256 of what the rules say, however the file is laid out."""
        text = json.dumps(
            rules.model_dump(mode="json"),
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).hexdigest()


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name of a file, a folder
        return False
    return True


def _replace(mine: set[T], said: Collection[T]) -> None:
    """Bring a set up to date, never empty in between: others look at it meanwhile."""
    mine.intersection_update(said)
    mine.update(said)
