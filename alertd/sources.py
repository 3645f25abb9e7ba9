"""The layers that settings come from, and where each value was said, for clear complaints."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alertd.core.errors import ConfigError
from alertd.resources import home

PREFIX = "ALERTD_"
NOT_SETTINGS = frozenset({"ALERTD_CONFIG", "ALERTD_TOKEN", "ALERTD_URL"})
DEFAULT_FILE = Path("alertd.toml")

Key = tuple[str, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass
class Layers:
    """Merged values, the place that each was said at, and what is wrong with them."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, key: Key, value: Any, origin: str) -> None:
        """Lay `value` over what earlier layers said under `key`."""
        if isinstance(value, Mapping):
            self._open(key, origin)
            for name, part in value.items():
                self.put((*key, name), part, origin)
            return
        self._open(key[:-1], origin)[key[-1]] = value
        self.origins[key] = origin

    def _open(self, key: Key, origin: str) -> dict[str, Any]:
        table = self.values
        for depth, name in enumerate(key, start=1):
            inner = table.get(name)
            if not isinstance(inner, dict):
                inner = table[name] = {}
            self.origins.setdefault(key[:depth], origin)
            table = inner
        return table

    def value(self, key: Key) -> Any:
        found: Any = self.values
        for name in key:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def complain(self, key: Key, message: str) -> None:
        where = next(
            (self.origins[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.origins), ""
        )
        name = ".".join(key)
        self.problems.append(f"{where}: {name}: {message}" if where else f"{name}: {message}")

    def unknown(self, key: Key, known: Iterable[str]) -> None:
        """Complain about a key that does not exist, with the nearest one that does."""
        near = get_close_matches(key[-1], list(known), n=1)
        hint = f"; did you mean {'.'.join((*key[:-1], near[0]))}?" if near else ""
        self.complain(key, f"there is no such key{hint}")

    def validate(self, model: type[M], under: Key = ()) -> M | None:
        """Give `model` of the values under a key; what is wrong is set aside and complained of.

        With wrong values left out the rest is still made, so that one run finds everything;
        None when that is impossible.
        """
        raw = self.value(under)
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
        for detail in wrong:
            self._explain(model, under, detail)
        try:
            return model.model_validate(_mended(raw, model, wrong))
        except ValidationError:
            return None

    def _explain(self, model: type[BaseModel], under: Key, detail: ErrorDetails) -> None:
        key = (*under, *(str(part) for part in detail["loc"]))
        if detail["type"] == "extra_forbidden":
            self.unknown(key, _fields(model, detail["loc"][:-1]))
            return
        if detail["type"] == "missing":
            self.complain(key, "is required")
            return
        text = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
        self.complain(key, text[:1].lower() + text[1:])


def read(path: Path | None, environ: Mapping[str, str]) -> Layers:
    """Read every layer; raises ConfigError when a file cannot be read at all."""
    layers = defaults()
    given = path or (Path(environ["ALERTD_CONFIG"]) if environ.get("ALERTD_CONFIG") else None)
    if given is not None or DEFAULT_FILE.is_file():
        _put_file(layers, given or DEFAULT_FILE)
    spoken = list(_of_environment(environ))
    chosen = {key: value for key, value, _ in spoken}.get(
        ("secrets_dir",), layers.value(("secrets_dir",))
    )
    if isinstance(chosen, str) and chosen:
        for key, value, origin in _of_secret_files(Path(chosen)):
            layers.put(key, value, origin)
    for key, value, origin in spoken:
        layers.put(key, value, origin)
    return _finished(layers)


def defaults() -> Layers:
    """Give the shipped defaults as they are written."""
    layers = Layers()
    _put_file(layers, home("config") / "defaults.toml")
    return layers


def of_defaults(changes: Mapping[str, Any]) -> Layers:
    """Give the shipped defaults with `changes` over them."""
    layers = defaults()
    for name, value in changes.items():
        layers.put((name,), value, "embedded")
    return _finished(layers)


def _finished(layers: Layers) -> Layers:
    """Fill `{data_dir}` in and leave out the channels that are switched off."""
    layers.values = _filled(layers.values, str(layers.value(("data_dir",))))
    channels = layers.value(("channels",))
    for name, section in list(channels.items()) if isinstance(channels, dict) else ():
        if not isinstance(section, dict):
            continue
        enabled = section.pop("enabled", True)
        if str(enabled).lower() not in {"true", "false"}:
            layers.complain(("channels", name, "enabled"), "should be true or false")
        elif str(enabled).lower() == "false":
            del channels[name]
    return layers


def _filled(value: Any, data_dir: str) -> Any:
    if isinstance(value, str):
        return value.replace("{data_dir}", data_dir)
    if isinstance(value, dict):
        return {name: _filled(part, data_dir) for name, part in value.items()}
    return value


def _put_file(layers: Layers, path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    lines = _lines(text)
    _put_table(layers, (), tables, lambda key: f"{path}:{_line(lines, key)}")


def _put_table(layers: Layers, key: Key, value: Any, origin: Any) -> None:
    if not isinstance(value, dict):
        layers.put(key, value, origin(key))
        return
    if key:
        layers.put(key, {}, origin(key))
        layers.origins[key] = origin(key)
    for name, part in value.items():
        _put_table(layers, (*key, name), part, origin)


_HEADER = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[\w"'-]+)*)\s*=""")


def _lines(text: str) -> dict[Key, int]:
    """Give the line on which each key of a TOML text is first written."""
    found: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            key = table = _names(header[1])
        elif assignment := _ASSIGNMENT.match(line):
            key = (*table, *_names(assignment[1]))
        else:
            continue
        for depth in range(1, len(key) + 1):
            found.setdefault(key[:depth], number)
    return found


def _names(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _line(lines: Mapping[Key, int], key: Key) -> int:
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), 1)


def _of_secret_files(folder: Path) -> Iterator[tuple[Key, str, str]]:
    if not folder.is_dir():
        raise ConfigError(f"secrets_dir: {folder}: there is no such folder")
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{path}: cannot be read as UTF-8 text") from None
        yield tuple(path.name.split(".")), text.rstrip("\r\n"), str(path)


def _of_environment(environ: Mapping[str, str]) -> Iterator[tuple[Key, Any, str]]:
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            key = tuple(name.removeprefix(PREFIX).lower().split("__"))
            yield key, _spoken(environ[name]), name


def _spoken(text: str) -> Any:
    """Give the list or table that a variable holds as JSON, or else its text."""
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    """Give the keys that exist in the section at `loc`."""
    for part in loc:
        inner = model.model_fields[str(part)].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ()
        model = inner
    return [info.alias or name for name, info in model.model_fields.items()]


def _mended(raw: Any, model: type[BaseModel], wrong: Iterable[ErrorDetails]) -> Any:
    """Give a copy of `raw` with the shipped default, or nothing, in place of each wrong value."""
    spares = defaults().values if "data_dir" in model.model_fields else {}
    mended = _copied(raw)
    for detail in wrong:
        *path, last = [str(part) for part in detail["loc"]] or [""]
        table, spare = mended, spares
        for part in path:
            table = table.get(part) if isinstance(table, dict) else None
            spare = spare.get(part, {}) if isinstance(spare, dict) else {}
        if isinstance(table, dict):
            table.pop(last, None)
            if isinstance(spare, dict) and last in spare:
                table[last] = spare[last]
    return mended


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return value
