"""The rule sets of config/rulesets/, checked as a whole and looked up by programme.

What nobody has confirmed yet is a proposal: it is known, and never in force.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from zoneinfo import available_timezones

from alertd import tomlfiles
from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.core.ruleset import RuleSet

Key = tuple[str, int]  # programme and version


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All versions of all programmes."""

    rule_sets: dict[Key, RuleSet]
    proposed: set[Key] = field(default_factory=set)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read every file; raises ConfigError naming file and key of every fault."""
        files, faults = tomlfiles.load(directory, RuleSet)
        if not files and not faults:
            faults.append(f"{directory}: holds no rule set (*.toml); at least one is needed")
        paths: dict[tuple[str, int], list[Path]] = defaultdict(list)
        for path, rules in files.items():
            paths[rules.programme, rules.version].append(path)
            if rules.authority_timezone not in available_timezones():
                faults.append(f"{path}: authority_timezone: is no IANA zone such as Europe/Athens")
        for (programme, version), same in paths.items():
            if len(same) > 1:
                both = ", ".join(str(path) for path in same)
                faults.append(f"{both}: version: {programme} {version} is defined more than once")
        tomlfiles.refuse(faults)
        return cls({(rules.programme, rules.version): rules for rules in files.values()})

    def settle(self, kept: Iterable[RuleSet], proposed: Collection[Key]) -> None:
        """Learn what the ledger says: what is a proposal, and what the files said before.

        A copy of a confirmed version stays in force after its file was changed; without any file
        of its own a programme is over.
        """
        named = {programme for programme, _ in self.rule_sets}
        for rules in kept:
            if rules.programme in named:
                self.rule_sets.setdefault((rules.programme, rules.version), rules)
        self.proposed.intersection_update(proposed)
        self.proposed.update(proposed)

    def programmes(self) -> tuple[str, ...]:
        """Give the programmes that have rules in force."""
        return tuple(sorted({name for name, _ in self.rule_sets.keys() - self.proposed}))

    def any(self) -> RuleSet:
        """Give some rule set, for what is the authority's own rather than a programme's."""
        keys = sorted(self.rule_sets.keys() - self.proposed) or sorted(self.rule_sets)
        return self.rule_sets[keys[0]]

    def proposals(self) -> list[RuleSet]:
        """Give what the files propose beyond what is in force."""
        in_force = {name: self.current(name).version for name in self.programmes()}
        return [
            self.rule_sets[key]
            for key in sorted(self.proposed & self.rule_sets.keys())
            if key[1] > in_force.get(key[0], 0)
        ]

    def current(self, programme: str) -> RuleSet:
        """Give the highest version in force; raises InvalidAlert when there is none."""
        in_force = self.rule_sets.keys() - self.proposed
        versions = [version for name, version in in_force if name == programme]
        if not versions:
            known = ", ".join(self.programmes())
            raise InvalidAlert([Problem("programme", f"is not known here; choose of: {known}")])
        return self.rule_sets[programme, max(versions)]

    def get(self, programme: str, version: int) -> RuleSet:
        try:
            return self.rule_sets[programme, version]
        except KeyError:
            raise NotFound(f"no rule set {programme} of version {version}") from None

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
