"""Which role may do what at the console: the one table that every page is checked against."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from alertd.pipeline.sessions import Session, Stage
from alertd.rulebook import Rulebook
from alertd.web.auth import APPROVER, OPERATOR, READER, SUBMITTER, approval_roles

ADMINISTRATOR = "administrator"
ROLES = (SUBMITTER, OPERATOR, READER, ADMINISTRATOR)  # besides the rule sets' approval roles


class May(StrEnum):
    """What a page needs."""

    ANYONE = "anyone"  # nobody is asked who they are
    SECOND_FACTOR = "second factor"  # the password was given
    ENROL = "enrol"  # choose a second factor: whoever has none must
    OWN_ACCOUNT = "own account"  # any person, once inside
    STYLE = "style"

    SUBMIT = "submit"
    TEMPLATES = "templates"  # of the form: save, rename, remove
    SEE_ALERTS = "see alerts"  # that there are such, where and how far; no child's record
    READ_RECORD = "read a record"  # what is said of a child; each reading is on record
    PREVIEW = "preview"
    APPROVE = "approve"
    END = "end"
    UPDATE = "update"
    LIVE = "live"
    MEDIA = "media"

    BOARD = "board"
    DISPATCH_LOG = "dispatch log"
    UNMASK = "unmask"
    REQUEUE = "requeue"
    CHANNELS = "channels"
    RECIPIENTS = "recipients"
    AUDIT = "audit"
    REPORT = "report"

    ADMINISTER = "administer"


_INSIDE = {May.OWN_ACCOUNT, May.MEDIA}
_WATCHING = {May.SEE_ALERTS, May.LIVE, May.REPORT}

TABLE: Mapping[str, frozenset[May]] = {
    SUBMITTER: frozenset(
        {May.SUBMIT, May.TEMPLATES, May.UPDATE, May.READ_RECORD, May.PREVIEW, May.DISPATCH_LOG}
        | _WATCHING
    ),
    APPROVER: frozenset(
        {May.APPROVE, May.READ_RECORD, May.PREVIEW, May.END, May.DISPATCH_LOG, May.AUDIT}
        | _WATCHING
    ),
    OPERATOR: frozenset(
        {May.BOARD, May.DISPATCH_LOG, May.UNMASK, May.REQUEUE, May.CHANNELS, May.RECIPIENTS}
        | {May.AUDIT}
        | _WATCHING
    ),
    READER: frozenset({May.BOARD, May.DISPATCH_LOG, May.AUDIT, May.STYLE, *_WATCHING}),
    ADMINISTRATOR: frozenset({May.ADMINISTER, May.AUDIT}),
}

DECIDING = frozenset({May.APPROVE, May.END, May.UPDATE})
"""What is open only for alerts that lie wholly in one's regions: see `pipeline.jurisdiction`."""

UNDIVIDED = frozenset({May.CHANNELS})
"""What serves every region: only for those whom no regions or programmes bound."""


def permitted(roles: Iterable[str], rulebook: Rulebook) -> frozenset[May]:
    """Give all that holders of `roles` may do."""
    approving = approval_roles(rulebook)
    rows = (APPROVER if role in approving else role for role in roles)
    return frozenset(_INSIDE).union(*(TABLE.get(row, frozenset()) for row in rows))


def held(session: Session | None, rulebook: Rulebook) -> frozenset[May]:
    """Give all that whoever has this session may do: nothing until they are all the way in."""
    if session is None or session.stage is not Stage.FULL:
        return frozenset()
    may = permitted(session.roles, rulebook)
    return may if session.jurisdiction.everywhere else may - UNDIVIDED


def admits(session: Session | None, needs: May, may: frozenset[May]) -> bool:
    """Tell whether whoever has this session, or none, and may do `may` opens what needs `needs`."""
    if needs is May.ANYONE:
        return True
    if session is None:
        return False
    if needs is May.SECOND_FACTOR:
        return session.stage is Stage.HALF
    if needs is May.ENROL:
        return session.stage is not Stage.HALF
    return needs in may
