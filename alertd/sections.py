"""Every section of alertd.toml: its keys' meaning, types and bounds.

Defaults stand in config/defaults.toml.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
)

Port = Annotated[int, Field(ge=0, le=65535)]


def is_loopback(host: str) -> bool:
    """Tell whether nothing but this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _issuer(text: str) -> str:
    url = urlsplit(text)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
        raise ValueError("must be an https:// URL")
    if not url.hostname or url.query or url.fragment:
        raise ValueError("must have a host, and neither a query nor a fragment")
    return text


def _database_url(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("must be sqlite:///path or postgresql://user@host/name")
    return text


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(Section):
    url: DatabaseUrl = Field(
        description="The ledger: sqlite:///path or postgresql://user@host/name. Of several hosts "
        "(user@a:5432,b:5432/name) the one that takes writes is used: fail-over needs no restart."
    )


class Keys(Section):
    url: DatabaseUrl = Field(
        description="Keys of the alerts. Never back it up together with the ledger: "
        "a purge destroys a key, and a copy would undo it."
    )
    master_key_file: Path = Field(
        description="32 random bytes that every other key is sealed under; made at first start."
    )


class Anchors(Section):
    """Where the signed head of the audit log is written, so that tampering can be shown."""

    key_file: Path = Field(description="Ed25519 key that signs the head; made at first start.")
    interval_s: int = Field(ge=10, description="Seconds between two anchors.")
    file: Path | None = Field(
        description="File that anchors are appended to, best on another machine's disk."
    )
    webhook: AnyHttpUrl | None = Field(
        default=None,
        description="URL that anchors are posted to.",
        examples=["https://anchors.example.org/alertd"],
    )
    mail: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Mailbox that anchors are sent to, through the relay of [channels.email].",
        examples=["auditor@example.org"],
    )


class Listener(Section):
    host: str = Field(
        min_length=1,
        description="Address to bind; beyond loopback it needs [tls] or trusted_proxies.",
    )
    port: Port = Field(description="Port to bind; 0 takes any free one.")


class Tls(Section):
    cert: Path | None = Field(
        default=None,
        description="Certificate chain (PEM) for both listeners.",
        examples=["/etc/alertd/tls/fullchain.pem"],
    )
    key: Path | None = Field(
        default=None, description="Its private key (PEM).", examples=["/etc/alertd/tls/key.pem"]
    )


class Cap(Section):
    """Signatures of CAP documents: our own, and of those who send us requests."""

    key: Path | None = Field(
        default=None,
        description="Private key (PEM, RSA or elliptic curve) that signs CAP documents; with it, "
        "none is published unsigned.",
        examples=["/etc/alertd/cap/key.pem"],
    )
    certificate: Path | None = Field(
        default=None,
        description="Its certificate (PEM); both are read anew at each signature.",
        examples=["/etc/alertd/cap/certificate.pem"],
    )
    warn_days: int = Field(
        ge=0, description="Days before the certificate expires when warnings begin."
    )
    unregistered: Literal["accept", "draft", "refuse"] = Field(
        description="What becomes of a request in CAP whose sender is not in `senders`: it counts "
        "as its submitter's own, is kept as a draft, or is refused."
    )
    senders: dict[str, Path] = Field(
        description="The certificate (PEM), or that of its issuer, of each CAP sender that must "
        "sign its requests; one that does not verify is refused."
    )


class Oidc(Section):
    """An OpenID Connect provider that people who are linked with it may sign in by."""

    issuer: Annotated[str, AfterValidator(_issuer)] | None = Field(
        default=None,
        description="Its issuer, exactly as its discovery document names it. It must be told "
        "{console_url}/sign-in/provider/callback as where to send back; where it is inside, "
        "outbound.allow_addresses has to name its network.",
        examples=["https://id.example.org/realms/police"],
    )
    client_id: str | None = Field(
        default=None, min_length=1, description="How it knows us.", examples=["alertd"]
    )
    client_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The secret that goes with it.",
        examples=["secret"],
    )
    label: str | None = Field(
        default=None,
        max_length=60,
        description="What it is called on the page; without it, its host's name.",
        examples=["Example Police ID"],
    )
    accept_acr: tuple[str, ...] = Field(
        description="Values of `acr` that stand for a second factor given there. Without one of "
        "these, or of accept_amr, our own is asked for."
    )
    accept_amr: tuple[str, ...] = Field(
        description="Values of `amr` that stand for a second factor given there, such as otp."
    )

    @property
    def secret(self) -> str:
        return self.client_secret.get_secret_value() if self.client_secret else ""


class State(Section):
    """The signed manifest of what is in force, /state.json."""

    heartbeat_s: int = Field(
        ge=5, le=3600, description="Seconds after which it is signed anew although nothing changed."
    )


class Mirror(Section):
    """The public documents as files, for a web server or CDN that serves them without alertd."""

    folder: Path | None = Field(
        default=None,
        description="Folder that feeds, pages, CAP documents and the manifest are written to.",
        examples=["/srv/www/alerts"],
    )
    purge_hook: AnyHttpUrl | None = Field(
        default=None,
        description="URL that gets the paths that changed, as JSON, for a CDN to drop its copies.",
        examples=["https://cdn.example.org/purge"],
    )


class Outbound(Section):
    allow_addresses: tuple[IPvAnyNetwork, ...] = Field(
        description="Networks that webhooks may reach although they are private or loopback.",
    )


class Dispatch(Section):
    workers: int = Field(ge=1, le=64, description="Processes that send, on this machine.")
    batch: int = Field(ge=1, le=5000, description="Deliveries that one loop takes at a time.")
    lease_s: int = Field(
        ge=5, description="Seconds after which a delivery of a dead process is taken over."
    )
    drain_s: int = Field(
        ge=0, description="Seconds that a stopping daemon gives to what it has in hand."
    )
    end_deadline_h: int = Field(
        ge=1, description="Hours during which ends and corrections are tried."
    )
    uncertain: dict[str, Literal["resend", "reconcile", "hold"]] = Field(
        description="What a channel does when nobody knows whether a message arrived: resend it "
        "once, marked as a repeat; reconcile, which asks the provider first (sms can); or hold it "
        "for an operator, with an alarm. A channel that is not named resends; one whose receivers "
        "drop repeats (webhook) does so until it is sure."
    )


class Watch(Section):
    """What alertd takes for normal; beyond it, operators are alarmed."""

    link_test_s: int = Field(
        ge=10, description="Seconds between two tests of whether a channel's peer answers."
    )
    start_s: int = Field(
        ge=1,
        description="Seconds after activation within which every planned channel must have begun.",
    )
    waiting_s: int = Field(
        ge=1, description="Seconds that what is due may wait before somebody is told."
    )
    submission_s: int = Field(ge=1, description="Seconds from a report to the submission.")
    approval_s: int = Field(ge=1, description="Seconds from the submission to each approval.")
    first_delivery_s: int = Field(
        ge=1, description="Seconds from the last approval to the first delivery."
    )
    takedown_s: int = Field(
        ge=1,
        description="Seconds after the end of an alert within which everything of it must be seen "
        "to be gone from its public address; caches may hold a copy for 60.",
    )
    notify: bool = Field(description="Tell operators of alarms, by text message and mail.")


class Retention(Section):
    """Days from the end of an alert; what has none is kept. docs/privacy.md tells what goes."""

    photo_days: int | None = Field(
        default=None,
        ge=1,
        description="Days after its end when an alert's photos are purged for good.",
        examples=[30],
    )
    companion_days: int | None = Field(
        default=None,
        ge=1,
        description="Likewise who may be with the child, suspects among them, and the messages.",
        examples=[30],
    )
    vehicle_days: int | None = Field(
        default=None,
        ge=1,
        description="Likewise the vehicle, whose plate tells of its owner, and the messages.",
        examples=[30],
    )
    person_days: int | None = Field(
        default=None,
        ge=1,
        description="Likewise the children, their photos, all free text, and the messages; age, "
        "sex, area and times stay.",
        examples=[90],
    )
    address_days: int | None = Field(
        default=None,
        ge=1,
        description="Likewise whom its text messages and mails went to: a salted hash takes the "
        "place of each address. Endpoints stay.",
        examples=[180],
    )
    closed_days: int | None = Field(
        default=None,
        ge=1,
        description="Likewise all that an alert said: its key is destroyed, who did what stays on "
        "record.",
        examples=[365],
    )


class Limits(Section):
    body_bytes: int = Field(ge=1024, description="Largest request body that is read.")


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        description="Least level that is written; debug adds a line per attempt."
    )
    format: Literal["json", "console"] = Field(description="One JSON object per line, or colours.")
