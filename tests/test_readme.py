"""The README holds what it says: its file loads, its commands exist, its recipients are taken."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from alertd import plugins
from alertd.atlas import load_atlas
from alertd.channel import Environment
from alertd.cli import main
from alertd.cli.common import channel_settings
from alertd.pipeline.roster import Desk, read_lines
from alertd.resources import home
from alertd.settings import Settings, load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECRETS = {
    "ALERTD_CHANNELS__SMS__AUTH_TOKEN": "secret",
    "ALERTD_CHANNELS__EMAIL__PASSWORD": "secret",
}


def commands() -> list[str]:
    return re.findall(r"^ {4,}(alertd [a-z].*)$|`(alertd [a-z][^`]*)`", README, flags=re.MULTILINE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (block,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    file = tmp_path / "alertd.toml"
    file.write_text(re.sub(r"^ {3}", "", block, flags=re.MULTILINE))
    return load(file, SECRETS, channel_settings())


def test_its_configuration_loads(settings: Settings) -> None:
    assert set(settings.channels) == set(plugins.BUILT_IN)


def test_its_recipients_are_taken(settings: Settings) -> None:
    text = README[README.index("       label,class,channel") :]
    rows = [line.strip() for line in text[: text.index("\n\n")].splitlines()]
    assert len(rows) == 4
    environment = Environment(public_url=settings.public_url, sender_domain="example.org")
    desk = Desk(
        plugins.load(settings.channels, environment),
        load_atlas(home("config") / "regions"),
        datetime.now(UTC),
    )
    assert [line.problems for line in read_lines(rows, desk)] == [()] * 3


@pytest.mark.parametrize("line", sorted({one or other for one, other in commands()}))
def test_its_commands_exist(line: str) -> None:
    words = shlex.split(line.split(" > ", maxsplit=1)[0])[1:]
    context = click.Context(main, info_name="alertd")
    command: click.Command | None = main
    while isinstance(command, click.Group) and words:
        command = command.get_command(context, words.pop(0))
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_is_told_of() -> None:
    told = " ".join(one or other for one, other in commands())
    context = click.Context(main)
    silent = [name for name in main.list_commands(context) if f"alertd {name}" not in told]
    assert silent == ["demo"]  # it is run by make there
