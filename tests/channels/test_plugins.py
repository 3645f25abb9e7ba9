"""Channels are found by name, ours by a table, others by entry point."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest
from alertd.channels.feed import FeedChannel, FeedSettings

from alertd import plugins
from alertd.core.errors import ConfigError
from alertd.testing import make_environment

SMS = {"account_sid": "AC" + "0" * 32, "auth_token": "a-token-of-nobody", "sender": "Example"}


def test_a_section_switches_a_channel_on():
    channels = plugins.load({"feed": {}, "sms": SMS}, make_environment())
    assert list(channels) == ["feed", "sms"]
    assert isinstance(channels["feed"], FeedChannel)


def test_a_disabled_channel_is_not_loaded_nor_read():
    settings = {"feed": {"enabled": False, "nonsense": 1}, "sms": SMS | {"enabled": True}}
    assert list(plugins.load(settings, make_environment())) == ["sms"]


def test_every_wrong_key_is_named_and_no_value_told():
    settings = {
        "feed": {"nonsense": 1},
        "sms": SMS | {"auth_token": 5, "account_sid": "a-wrong-value"},
        "email": {"enabled": "perhaps"},
        "pigeon": {},
    }
    with pytest.raises(ConfigError) as refused:
        plugins.load(settings, make_environment())
    lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "channels.feed.nonsense",
        "channels.sms.account_sid",
        "channels.sms.auth_token",
        "channels.email.enabled",
        "channels.pigeon",
    ]
    assert "a-wrong-value" not in str(refused.value)


def test_every_built_in_channel_has_the_name_it_is_found_by():
    for name in plugins.BUILT_IN:
        assert plugins.channel_class(name).name == name


@pytest.fixture
def stranger(monkeypatch):
    """A package of somebody else's, which offers a channel."""

    def offer(name: str, attribute: str) -> None:
        module = ModuleType("strangers_pigeon")
        module.PigeonChannel = type("PigeonChannel", (FeedChannel,), {"name": "pigeon"})
        monkeypatch.setitem(sys.modules, module.__name__, module)
        point = EntryPoint(name, f"strangers_pigeon:{attribute}", plugins.GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda **_: EntryPoints([point]))

    return offer


def test_an_entry_point_adds_a_channel(stranger):
    stranger("pigeon", "PigeonChannel")
    channels = plugins.load({"pigeon": {}, "feed": {}}, make_environment())
    assert channels["pigeon"].name == "pigeon"
    assert channels["pigeon"].settings == FeedSettings()


def test_an_entry_point_cannot_take_a_built_in_name(stranger):
    stranger("feed", "PigeonChannel")
    assert isinstance(plugins.load({"feed": {}}, make_environment())["feed"], FeedChannel)


@pytest.mark.parametrize(
    ("name", "attribute"), [("pigeon", "Missing"), ("another", "PigeonChannel")]
)
def test_an_entry_point_that_does_not_hold_is_named(stranger, name, attribute):
    stranger(name, attribute)
    with pytest.raises(ConfigError, match=f"channels.{name}"):
        plugins.load({name: {}}, make_environment())
