"""The rule sets of config/rulesets/, checked as a whole and looked up by programme."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zoneinfo import available_timezones

from alertd import tomlfiles
from alertd.core.errors import InvalidAlert, NotFound, Problem
from alertd.core.ruleset import RuleSet


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All versions of all programmes."""

    rule_sets: Mapping[tuple[str, int], RuleSet]

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

    def programmes(self) -> tuple[str, ...]:
        return tuple(sorted({programme for programme, _ in self.rule_sets}))

    def current(self, programme: str) -> RuleSet:
        """Give the highest version; raises InvalidAlert when there is no such programme."""
        versions = [version for name, version in self.rule_sets if name == programme]
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
