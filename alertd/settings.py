"""Settings as a whole: read from file, secrets and environment, and checked against each other."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, IPvAnyNetwork

from alertd import sources
from alertd.core.errors import ConfigError
from alertd.sections import (
    Anchors,
    Cap,
    Database,
    Dispatch,
    Keys,
    Limits,
    Listener,
    Log,
    Mirror,
    Oidc,
    Outbound,
    Retention,
    Section,
    State,
    Tls,
    Watch,
    is_loopback,
)


def _public_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("must be an https:// URL")
    if url.query or url.fragment:
        raise ValueError("must not carry a query or a fragment")
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise ValueError("must be https://, for it carries recipients' own links")
    return text.rstrip("/")


class Settings(Section):
    install: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,19}$",
        description="Short name of this install; begins every identifier that it issues.",
    )
    sender: str = Field(
        pattern=r"^[^\s,<&]{3,100}$",
        description="CAP's sender: a name that is the authority's alone, best an e-mail address.",
    )
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        description="Where the public listener is reached from outside: feeds, CAP documents, "
        "recipients' own links and provider callbacks."
    )
    console_url: Annotated[str, AfterValidator(_public_url)] = Field(
        description="Where officials reach the API's listener; messages that ask for an approval "
        "link there."
    )
    data_dir: Path = Field(
        description="Folder of the local files, relative to where alertd is started."
    )
    rulesets_dir: Path | None = Field(
        default=None,
        description="Folder of your own rule sets; without it the shipped ones apply.",
        examples=["/etc/alertd/rulesets"],
    )
    templates_dir: Path | None = Field(
        default=None,
        description="Folder of your own templates, looked into before the shipped ones.",
        examples=["/etc/alertd/templates"],
    )
    secrets_dir: Path | None = Field(
        default=None,
        description="Folder with one file per secret, named by its key: channels.sms.auth_token.",
        examples=["/run/secrets/alertd"],
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        description="Networks of the reverse proxies in front that end TLS, so that a listener "
        "may be bound beyond loopback without a certificate of its own. Their X-Forwarded-For "
        "tells who is asking: from the right, the first address that is none of theirs."
    )
    database: Database
    keys: Keys
    anchors: Anchors
    api: Listener
    public: Listener
    state: State
    mirror: Mirror
    tls: Tls
    cap: Cap
    oidc: Oidc
    outbound: Outbound
    dispatch: Dispatch
    watch: Watch
    retention: Retention
    limits: Limits
    log: Log
    channels: dict[str, dict[str, Any]] = Field(
        repr=False, description="One section per channel in use; each channel knows its own keys."
    )


def load(
    path: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    channels: Mapping[str, type[BaseModel]] | None = None,
) -> Settings:
    """Read defaults, alertd.toml, secret files and environment, the later over the earlier.

    With `channels` (name to its Settings) their sections are checked too. Raises ConfigError
    that names every problem with its file and line or its variable.
    """
    settings, problems = inspect(path, environ, channels)
    if problems or settings is None:
        raise ConfigError("\n".join(problems))
    return settings


def inspect(
    path: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    channels: Mapping[str, type[BaseModel]] | None = None,
) -> tuple[Settings | None, list[str]]:
    """Read as `load` does, but give the problems beside what could be made of the rest."""
    layers = sources.read(path, environ)
    return _settled(layers, channels), layers.problems


def embedded(changes: Mapping[str, Any] | None = None) -> Settings:
    """Give the defaults with `changes` over them; no file and no variable is looked at."""
    layers = sources.of_defaults(changes or {})
    settings = _settled(layers, None)
    if layers.problems or settings is None:
        raise ConfigError("\n".join(layers.problems))
    return settings


def _settled(
    layers: sources.Layers, channels: Mapping[str, type[BaseModel]] | None
) -> Settings | None:
    settings = layers.validate(Settings)
    if settings is not None:
        for key, message in _contradictions(settings):
            layers.complain(key, message)
    for name in layers.value(("channels",)) or {}:
        if channels is None:
            break
        if name in channels:
            layers.validate(channels[name], ("channels", name))
        else:
            layers.unknown(("channels", name), channels)
    return settings


def _contradictions(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    tls = settings.tls
    if (tls.cert is None) != (tls.key is None):
        yield ("tls",), "cert and key belong together: give both or neither"
    if (settings.cap.key is None) != (settings.cap.certificate is None):
        yield ("cap",), "key and certificate belong together: give both or neither"
    oidc = settings.oidc
    given = (oidc.issuer, oidc.client_id, oidc.client_secret)
    if None in given and given != (None, None, None):
        yield ("oidc",), "issuer, client_id and client_secret belong together: give all or none"
    guarded = tls.cert is not None or bool(settings.trusted_proxies)
    for name in ("api", "public"):
        host = getattr(settings, name).host
        if not guarded and not is_loopback(host):
            yield (
                (name, "host"),
                f"{host} is open to other machines: set tls.cert and key, or trusted_proxies",
            )
    if settings.database.url == settings.keys.url:
        yield ("keys", "url"), "must not be the ledger's database: a backup would hold both"
