"""Every error of alertd, and who has to act on it.

AlertdError
├ ConfigError                 the operator's file; exit status 78
├ Refused                     the caller's fault; 4xx; never retried
│  ├ InvalidAlert(problems)   422, every bad field at once
│  ├ NotAllowed               403
│  ├ NotFound                 404
│  ├ Gone                     410, it was public once
│  ├ Busy                     503, too much is waiting
│  └ Conflict                 409, or 412 when `If-Match` is stale
├ SendError(reason)           raised by channels only
│  ├ Unsent                   not accepted, may be later: retry
│  │  └ Throttled             retry_after
│  ├ Uncertain                handed over, no answer: policy decides
│  ├ Undeliverable            this address never: dead letter now
│  └ ChannelDown              our credentials, our quota: pause the channel, count no attempt
└ StoreError
   ├ StoreBusy                retry in place
   ├ LeaseLost                somebody else holds it now: drop the work
   └ ChainBroken              the audit chain does not verify: stop issuing
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class AlertdError(Exception):
    """Base of all errors of alertd; the text never holds personal data, address or secret."""


class ConfigError(AlertdError):
    """The configuration cannot be used; the text names file, key and remedy."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad field: where it stands (`child.0.age`) and what to do about it."""

    field: str
    message: str


class Refused(AlertdError):
    """The request cannot be granted as it is."""


class InvalidAlert(Refused):
    """One or more fields are missing, impossible or not allowed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))


class NotAllowed(Refused):
    """This person may not do this."""


class NotFound(Refused):
    """There is no such thing, or not for this person."""


class Gone(Refused):
    """It was public once and has been taken down."""


class Busy(Refused):
    """Too much is waiting; try again in a few seconds."""


class Conflict(Refused):
    """The thing is not in the state that the request presumes."""

    def __init__(self, message: str, *, other: str | None = None) -> None:
        self.other = other  # the alert that stands in the way, if one does
        super().__init__(message)


class StaleVersion(Conflict):
    """Someone changed it since it was read (412)."""


class Reason(StrEnum):
    """Why a delivery has not arrived: metric label, audit field and API value at once."""

    REFUSED_CONNECTION = "refused_connection"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    DNS = "dns"
    TLS = "tls"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    BAD_ANSWER = "bad_answer"
    REDIRECT = "redirect"
    ADDRESS_INVALID = "address_invalid"
    ADDRESS_FORBIDDEN = "address_forbidden"
    ADDRESS_UNREACHABLE = "address_unreachable"
    GONE = "gone"
    OPTED_OUT = "opted_out"
    REJECTED = "rejected"
    CREDENTIALS = "credentials"
    QUOTA = "quota"
    CLOCK = "clock"
    EXPIRED = "expired"
    LEASE_EXPIRED = "lease_expired"
    SUPERSEDED = "superseded"
    DEFECT = "defect"


class SendError(AlertdError):
    """Base of what a channel raises; `detail` is the peer's code, never its free text."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason} {detail}".rstrip())


class Unsent(SendError):
    """Not accepted by the peer, may be later."""


class Throttled(Unsent):
    """The peer asks to wait."""

    def __init__(self, retry_after_s: float | None = None, detail: str = "") -> None:
        self.retry_after_s = retry_after_s
        super().__init__(Reason.THROTTLED, detail)


class Uncertain(SendError):
    """Handed over, but no answer came: the peer may have it."""


class Undeliverable(SendError):
    """This address never, whatever we do; `suppress` marks the address for good."""

    def __init__(self, reason: Reason, detail: str = "", *, suppress: bool = False) -> None:
        self.suppress = suppress
        super().__init__(reason, detail)


class ChannelDown(SendError):
    """Our own credentials or quota are at fault: nothing on this channel can go."""


class StoreError(AlertdError):
    """The ledger could not do what was asked."""


class StoreBusy(StoreError):
    """The database is away or overloaded for the moment."""


class DiskFull(StoreBusy):
    """The disk takes nothing more: what is under way waits, nothing new is taken in."""

    CODES = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "53100")


class LeaseLost(StoreError):
    """The lease ran out and someone else has the work."""


class ChainBroken(StoreError):
    """The audit chain does not verify."""
