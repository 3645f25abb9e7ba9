"""Finds channels: ours by a table, others by entry points of the group `alertd.channels`."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from alertd.channel import Channel, Environment, Reconciles
from alertd.core.delivery import UncertainPolicy
from alertd.core.errors import ConfigError

GROUP = "alertd.channels"

BUILT_IN = {
    "sms": "alertd.channels.sms:SmsChannel",
    "email": "alertd.channels.email:EmailChannel",
    "webhook": "alertd.channels.webhook:WebhookChannel",
    "feed": "alertd.channels.feed:FeedChannel",
    "websub": "alertd.channels.websub:WebsubChannel",
}


def known() -> dict[str, str]:
    """Give every channel that could be switched on: its name and where its class lies."""
    others = {point.name: point.value for point in entry_points(group=GROUP)}
    return others | BUILT_IN


def channel_class(name: str) -> type[Any]:
    """Give the class of the channel `name`; raises ConfigError."""
    names = BUILT_IN if name in BUILT_IN else known()  # others: every installed package is read
    if name not in names:
        raise ConfigError(f"channels.{name}: no such channel; there are: {', '.join(names)}")
    module, _, attribute = names[name].partition(":")
    try:
        found: type[Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"channels.{name}: {names[name]} cannot be loaded: {error}") from error
    if found.name != name:
        raise ConfigError(f"channels.{name}: {names[name]} calls itself {found.name}")
    return found


def load(settings: Mapping[str, Mapping[str, Any]], environment: Environment) -> dict[str, Channel]:
    """Make every channel that `[channels]` holds a section for and does not disable.

    Raises ConfigError that lists every wrong key of every section.
    """
    channels: dict[str, Channel] = {}
    problems: list[str] = []
    for name, section in settings.items():
        values = dict(section)
        enabled = values.pop("enabled", True)
        if not isinstance(enabled, bool):
            problems.append(f"channels.{name}.enabled: must be true or false")
        elif enabled:
            try:
                found = channel_class(name)
                channels[name] = found(
                    found.Settings.model_validate(values), environment=environment
                )
            except ConfigError as error:
                problems.append(str(error))
            except ValidationError as error:
                problems += _problems(name, error)
    if problems:
        raise ConfigError("\n".join(problems))
    return channels


def uncertain_policies(
    channels: Mapping[str, Channel], chosen: Mapping[str, str]
) -> dict[str, UncertainPolicy]:
    """Give what each channel does about a message of which nobody knows whether it arrived.

    Raises ConfigError when a policy is chosen that a channel cannot follow.
    """
    problems = []
    for name, policy in chosen.items():
        key = f"dispatch.uncertain.{name}"
        if name not in channels:
            problems.append(f"{key}: no such channel is in use; there are: {', '.join(channels)}")
        elif policy == UncertainPolicy.RECONCILE and not isinstance(channels[name], Reconciles):
            problems.append(f"{key}: {name} has nobody to ask; choose resend or hold")
    if problems:
        raise ConfigError("\n".join(problems))
    return {
        name: UncertainPolicy(chosen[name]) if name in chosen else _by_nature(channel)
        for name, channel in channels.items()
    }


def _by_nature(channel: Channel) -> UncertainPolicy:
    return UncertainPolicy.RETRY if channel.idempotent else UncertainPolicy.RESEND


def _problems(name: str, error: ValidationError) -> list[str]:
    # The value itself stays out: it may be a secret.
    return [
        f"{'.'.join(('channels', name, *map(str, each['loc'])))}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
