"""The profiles of CAP in config/cap-profiles."""

import re
from collections.abc import Mapping
from pathlib import Path

from alertd import tomlfiles
from alertd.core.cap import RULES, Profile


def load_profiles(directory: Path) -> Mapping[str, Profile]:
    """Read every file, by the profile's name; raises ConfigError naming file and key."""
    files, faults = tomlfiles.load(directory, Profile)
    known = {rule.id for rule in RULES}
    for path, profile in files.items():
        if profile.name != path.stem:
            faults.append(f"{path}: name: must be {path.stem}, as the file is called")
        faults += [
            f"{path}: levels.{rule}: is no rule of CAP; there are: {', '.join(sorted(known))}"
            for rule in profile.levels
            if rule not in known
        ]
        faults += [
            f"{path}: checks.{place}.pattern: is no regular expression"
            for place, check in enumerate(profile.checks)
            if check.pattern is not None and not _compiles(check.pattern)
        ]
    tomlfiles.refuse(faults)
    return {profile.name: profile for profile in files.values()}


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
