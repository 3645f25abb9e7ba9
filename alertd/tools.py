"""What every stage works with, and who asks for it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

from alertd.capsign import NOBODY, CapSigner, Senders
from alertd.channel import Channel
from alertd.clock import Clock
from alertd.core.delivery import UncertainPolicy
from alertd.core.errors import NotAllowed
from alertd.core.jurisdiction import Jurisdiction
from alertd.core.regions import Atlas
from alertd.pipeline.render import Renderer
from alertd.rulebook import Rulebook
from alertd.store.store import Store
from alertd.vault import Vault

Withdraw = Callable[[str], AbstractAsyncContextManager[None]]
"""Takes the files that name a child out of the mirror while an alert is being ended."""


def no_mirror(_alert_id: str) -> AbstractAsyncContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Tools:
    """Made once, where the application is put together."""

    store: Store
    vault: Vault
    rulebook: Rulebook
    atlas: Atlas
    renderer: Renderer
    channels: Mapping[str, Channel]
    uncertain: Mapping[str, UncertainPolicy]  # by channel
    clock: Clock
    public_url: str  # no trailing slash
    console_url: str  # where officials reach the API's listener; no trailing slash
    install: str  # first part of every identifier
    sender: str  # CAP's
    end_deadline: timedelta  # how long ends, corrections and notices are worth sending
    withdraw: Withdraw = no_mirror
    signer: CapSigner | None = None  # of CAP documents; None: they go out unsigned
    senders: Senders = NOBODY  # of requests in CAP


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for something; separation of duties is judged by `person_id`."""

    person_id: int
    name: str
    roles: frozenset[str]
    jurisdiction: Jurisdiction = field(default_factory=Jurisdiction)

    @property
    def label(self) -> str:
        """Give what the audit log names; which person that is stands in its own entries."""
        return f"person:{self.person_id}" if self.person_id else "console"

    def require(self, *roles: str) -> None:
        """Raise NotAllowed unless this person holds at least one of `roles`."""
        if self.roles.isdisjoint(roles):
            raise NotAllowed(f"this needs the role {' or '.join(sorted(roles))}")


CONSOLE = Actor(0, "console", frozenset({"operator"}))
"""Whoever has a shell on the machine: makes the first persons and tokens."""

ALERTD = "alertd"
"""What the audit log names where no person acted."""
