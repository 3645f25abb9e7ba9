"""A directory of TOML files, each checked against a model, every fault reported at once."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from alertd.core.errors import ConfigError
from alertd.core.problems import problems_of

M = TypeVar("M", bound=BaseModel)


def load(directory: Path, model: type[M]) -> tuple[dict[Path, M], list[str]]:
    """Give what each file holds, and the faults of those that cannot be used."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    found: dict[Path, M] = {}
    faults: list[str] = []
    for path in sorted(directory.glob("*.toml")):
        try:
            found[path] = model.model_validate(tomllib.loads(path.read_text("utf-8")))
        except ValidationError as error:
            faults += _faults(path, error)
        except UnicodeDecodeError as error:
            faults.append(f"{path}: must be UTF-8; byte {error.start + 1} is not")
        except tomllib.TOMLDecodeError as error:
            faults.append(f"{path}: is not valid TOML: {error}")
        except OSError as error:
            faults.append(f"{path}: cannot be read: {error.strerror}")
    return found, faults


def refuse(faults: list[str]) -> None:
    """Raise ConfigError with all `faults`, one a line, when there are any."""
    if faults:
        raise ConfigError("\n".join(faults))


def _faults(path: Path, error: ValidationError) -> Iterator[str]:
    for problem in problems_of(error):
        yield f"{path}: {problem.field}: {problem.message}"
