"""The text of alertd.toml.example: every key with its meaning, from the settings themselves."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from alertd import sources
from alertd.settings import Settings

WIDTH = 96
HEADING = """\
Every key of alertd, with its meaning and its default or an example. Copy this file to
alertd.toml and uncomment what you change: the rest is best left out.

The later wins: defaults, this file, secret files (see secrets_dir), environment variables.
A variable is named by its key: ALERTD_CHANNELS__SMS__AUTH_TOKEN is channels.sms.auth_token;
lists are written as JSON. Relative paths count from the folder alertd is started in, and
"{data_dir}" in a value stands for the setting of that name.

A key behind ## has no value unless you give it one.
`alertd check` names every wrong key and value, with file and line."""
CHANNEL = """\
The channel "{name}" is in use when this section is there; `enabled = false` turns it off."""


def example(channels: Mapping[str, type[BaseModel]]) -> str:
    """Give the whole file; `channels` names the Settings of every channel."""
    defaults = sources.defaults().values
    lines = [*_comment(HEADING), ""]
    sections: list[str] = []
    for name, info in Settings.model_fields.items():
        if name == "channels":
            continue
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            sections += _section(name, inner, defaults.get(name, {}))
        else:
            lines += _key(name, info, defaults)
    for name, model in sorted(channels.items()):
        sections += ["", *_comment(CHANNEL.format(name=name))]
        sections += _section(f"channels.{name}", model, {})[1:]
    return "\n".join([*lines, *sections]) + "\n"


def _section(name: str, model: type[BaseModel], defaults: Mapping[str, Any]) -> list[str]:
    lines = ["", f"# [{name}]"]
    for key, info in model.model_fields.items():
        lines += _key(info.alias or key, info, defaults)
    return lines


def _key(name: str, info: FieldInfo, defaults: Mapping[str, Any]) -> list[str]:
    value = _value(name, info, defaults)
    shown = f"# {name} = {toml_value(value)}" if value is not None else f"## {name} ="
    return [*_comment(info.description or ""), shown]


def _value(name: str, info: FieldInfo, defaults: Mapping[str, Any]) -> Any:
    if name in defaults:
        return defaults[name]
    if info.examples:
        return info.examples[0]
    if info.default not in (PydanticUndefined, None):
        return info.default
    if info.default_factory is not None:
        return info.get_default(call_default_factory=True, validated_data={})
    return "secret" if info.is_required() and info.annotation is SecretStr else None


def toml_value(value: Any) -> str:
    if isinstance(value, SecretStr):
        return json.dumps(value.get_secret_value())
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(toml_value(part) for part in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Path):
        value = value.as_posix()
    return json.dumps(str(value), ensure_ascii=False)


def _comment(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield "#"
        for line in wrap(" ".join(paragraph.split()), WIDTH):
            yield f"# {line}"
