"""The operators' words for states, reasons and acts."""

from collections.abc import Mapping

from alertd.console.naming import programme_name, role_name
from alertd.console.pages import Visit
from alertd.console.rendering import N_
from alertd.core.delivery import State
from alertd.core.errors import Reason
from alertd.watch.alarms import AlarmKind

CHANNELS: Mapping[str, str] = {
    "sms": N_("SMS"),
    "email": N_("Mail"),
    "webhook": N_("Webhook"),
    "feed": N_("Feed"),
    "websub": N_("Feed hub"),
}
STATES: Mapping[str, tuple[str, str]] = {  # icon and word
    State.QUEUED: ("waiting", N_("Waiting")),
    State.LEASED: ("running", N_("Being sent")),
    State.UNCERTAIN: ("information", N_("Unclear")),
    State.SENT: ("running", N_("Sent")),
    State.DELIVERED: ("ok", N_("Delivered")),
    State.DEAD: ("failed", N_("Failed")),
    State.EXPIRED: ("failed", N_("Too late")),
    State.CANCELLED: ("paused", N_("Withdrawn")),
}
LANES: Mapping[str, tuple[str, str]] = {
    "open": ("ok", N_("Working")),
    "draining": ("waiting", N_("Emptying")),
    "paused": ("failed", N_("Failing, tried again by itself")),
    "closed": ("paused", N_("Paused by an operator")),
    "held": ("paused", N_("Held until an operator releases it")),  # with the whole ledger
}
REASONS: Mapping[str, str] = {
    Reason.REFUSED_CONNECTION: N_("no connection"),
    Reason.TIMEOUT: N_("no answer in time"),
    Reason.DROPPED: N_("connection lost"),
    Reason.DNS: N_("name not found"),
    Reason.TLS: N_("certificate not valid"),
    Reason.THROTTLED: N_("asked us to wait"),
    Reason.SERVER_ERROR: N_("fault at the other side"),
    Reason.BAD_ANSWER: N_("answer not understood"),
    Reason.REDIRECT: N_("has moved"),
    Reason.ADDRESS_INVALID: N_("not an address"),
    Reason.ADDRESS_FORBIDDEN: N_("address not allowed"),
    Reason.ADDRESS_UNREACHABLE: N_("nobody at this address"),
    Reason.GONE: N_("gone for good"),
    Reason.OPTED_OUT: N_("has opted out"),
    Reason.REJECTED: N_("refused"),
    Reason.CREDENTIALS: N_("our access is refused"),
    Reason.QUOTA: N_("our quota is used up"),
    Reason.CLOCK: N_("refused, and our clocks differ"),
    Reason.EXPIRED: N_("its time is over"),
    Reason.LEASE_EXPIRED: N_("a process died while sending"),
    Reason.SUPERSEDED: N_("the alert ended or was replaced"),
    Reason.DEFECT: N_("a fault of alertd"),
}
RESULTS: Mapping[str, tuple[str, str]] = {
    "sent": ("running", N_("Taken over by the provider")),
    "delivered": ("ok", N_("Arrived")),
    "unsent": ("waiting", N_("Not accepted")),
    "uncertain": ("information", N_("No answer: it may have arrived")),
    "undeliverable": ("failed", N_("Refused for good")),
    "channel_down": ("failed", N_("The channel does not work")),
    "expired": ("failed", N_("Too late")),
}
KINDS: Mapping[str, str] = {
    "alert": N_("Alert"),
    "update": N_("Update"),
    "end": N_("End"),
    "correction": N_("Correction"),
    "expiry": N_("Expiry"),
    "request": N_("Request for approval"),
    "notice": N_("Notice to officials"),
}
CLASSES: Mapping[str, str] = {  # of recipients
    "citizen": N_("Citizen"),
    "media": N_("Newsroom"),
    "partner": N_("Partner"),
    "official": N_("Authority"),
}
ALARMS: Mapping[str, str] = {
    "not_started": N_("A planned channel has not begun to send"),
    "nobody": N_("A planned channel has nobody to send to"),
    "channel_paused": N_("The channel fails"),
    "channel_closed": N_("The channel is paused while messages wait"),
    "link_down": N_("The last link tests failed"),
    "waiting": N_("Messages are due and nobody sends them"),
    "stage_late": N_("A stage takes longer than it may"),
    "still_public": N_("Something of an alert that is over is still public"),
    "chain_broken": N_("The audit log does not verify: change nothing, call the auditor"),
    "held": N_("An old copy of the ledger is held: nothing is sent"),
    "uncertain": N_("Nobody knows whether messages arrived: try them again, or wait for a report"),
    "clock_off": N_("This machine's clock is wrong: set it right, what was refused is tried again"),
    "went_back": N_("The database lost its latest entries: a standby took over that lacked them"),
    "rules_open": N_("Changed rules wait for two administrators"),
    "glass_broken": N_("An administrator was entered without a second one's word"),
    "glass_token": N_("A token was given without the two administrators' word"),
}
_OF_ALL = frozenset(
    {
        AlarmKind.CHAIN_BROKEN,
        AlarmKind.GLASS_BROKEN,
        AlarmKind.GLASS_GIVEN,
        AlarmKind.HELD,
        AlarmKind.WENT_BACK,
    }
)
_OF_CHANNELS = frozenset(
    {
        AlarmKind.CHANNEL_CLOSED,
        AlarmKind.CHANNEL_PAUSED,
        AlarmKind.LINK_DOWN,
        AlarmKind.UNCERTAIN,
        AlarmKind.WAITING,
    }
)
STAGES: Mapping[str, str] = {
    "submission": N_("Report to submission"),
    "approval": N_("Submission to approval"),
    "first_delivery": N_("Approval to first delivery"),
}
ACTS: Mapping[str, str] = {
    "alert.submitted": N_("Submitted"),
    "alert.edited": N_("Changed"),
    "alert.approved": N_("Approved"),
    "alert.returned": N_("Returned for change"),
    "alert.rejected": N_("Rejected"),
    "alert.activated": N_("Activated: sending began"),
    "alert.ended": N_("Ended"),
    "alert.corrected": N_("Corrected"),
    "alert.expired": N_("Expired"),
    "alert.purged": N_("Forgotten: the key was destroyed"),
    "alert.thinned": N_("Partly forgotten: its time was over"),
    "alert.addresses_hashed": N_("Forgotten whom it reached"),
    "approval.asked": N_("Asked for approval"),
    "alarm.raised": N_("Alarm raised"),
    "alarm.told": N_("Operators told of an alarm"),
    "address.shown": N_("Address shown in full"),
    "delivery.requeued": N_("Failed message queued again"),
    "deliveries.settled": N_("Outcomes of sending written"),
    "dispatch.held": N_("Sending held: an old copy"),
    "dispatch.released": N_("Sending released"),
    "ledger.went_back": N_("The database lost entries"),
    "deliveries.settled_again": N_("Lost outcomes written again"),
    "lane.closed": N_("Channel paused"),
    "lane.opened": N_("Channel resumed"),
    "lane.draining": N_("Channel being emptied"),
    "lane.paused": N_("Channel failed and rests"),
    "rules.proposed": N_("Changed rules proposed by a file"),
    "rules.removal_proposed": N_("End of a programme proposed: its file is gone"),
    "rules.confirmed": N_("Changed rules put in force"),
    "rules.ended": N_("Programme ended"),
    "recipient.removed": N_("Subscription ended"),
    "recipient.erased": N_("Recipient erased"),
    "recipient.opted_out": N_("Recipient opted out"),
    "alert.drafted": N_("Draft kept"),
    "alert.read": N_("Record of the child read"),
    "alert.update_submitted": N_("Update submitted"),
    "alert.superseded": N_("Replaced by a newer version"),
    "alert.cancelled": N_("Withdrawn by a correction"),
    "alert.expiring": N_("Close to its expiry"),
    "alert.rebroadcast": N_("Sent once more"),
    "alert.purge_finished": N_("Forgetting finished"),
    "photo.uploaded": N_("Photo taken in"),
    "photo.revoked": N_("Photo withdrawn"),
    "forms.forgotten": N_("Unfinished forms forgotten"),
    "template.saved": N_("Form template saved"),
    "template.renamed": N_("Form template renamed"),
    "template.removed": N_("Form template removed"),
    "deliveries.gave_up": N_("Sending given up"),
    "deliveries.recalled": N_("Messages recalled"),
    "recall.failed": N_("Recall failed"),
    "takedown.seen": N_("Seen to be gone"),
    "takedown.chased": N_("Deletion asked for again"),
    "takedown.acknowledged": N_("Deletion acknowledged"),
    "recipient.entered": N_("Recipient entered"),
    "recipients.entered": N_("Recipients entered"),
    "recipients.imported": N_("Recipients imported"),
    "websub.subscribed": N_("Feed subscriber entered"),
    "websub.ended": N_("Feed subscriber ended"),
    "session.opened": N_("Signed in"),
    "session.ended": N_("Session ended"),
    "password.set": N_("Password set"),
    "factor.added": N_("Second factor added"),
    "factor.removed": N_("Second factor removed"),
    "recovery.renewed": N_("Recovery codes renewed"),
    "recovery.used": N_("Recovery code used"),
    "person.created": N_("Person entered"),
    "person.invited": N_("Person invited"),
    "person.roles": N_("Roles changed"),
    "person.disabled": N_("Account disabled"),
    "person.linked": N_("Linked with the identity provider"),
    "person.unlinked": N_("Unlinked from the identity provider"),
    "token.minted": N_("Token made"),
    "token.revoked": N_("Token revoked"),
    "change.asked": N_("Change asked for"),
    "change.agreed": N_("Change agreed to and done"),
    "change.declined": N_("Change declined"),
    "policy.changed": N_("Policy changed"),
    "glass.broken": N_("Administrator entered without a second one"),
    "glass.token": N_("Token given without the two administrators"),
    "cap.not_signed": N_("CAP document went out unsigned"),
    "cap.signer_failed": N_("Signing of CAP documents failed"),
    "mirror.behind": N_("The folder of public files could not be written"),
    "mirror.caught_up": N_("The folder of public files is up to date again"),
    "rules.adopted": N_("Rules taken over at the first start"),
}


def lane_of(visit: Visit, lane: str) -> str:
    """Give the name of a channel, or of one endpoint of it."""
    channel, _, host = lane.partition("/")
    name = visit.say(CHANNELS.get(channel, channel))
    return f"{name}: {host}" if host else name


def subject_of(visit: Visit, kind: str, subject: str) -> str:
    """Say what an alarm is about: `2026/0412 · SMS`; nothing where its title says all."""
    if kind in _OF_ALL:
        return ""
    if kind in _OF_CHANNELS:
        return lane_of(visit, subject)
    if kind == AlarmKind.RULES_OPEN:
        return programme_name(visit, subject)
    if kind in {AlarmKind.NOT_STARTED, AlarmKind.NOBODY}:
        case, channel, _ = [*subject.rsplit(" ", 2), "", ""][:3]
        return " · ".join(filter(None, (case, lane_of(visit, channel))))
    for stage, word in STAGES.items() if kind == AlarmKind.STAGE_LATE else ():
        version, found, role = subject.partition(f" {stage}")
        if found:
            case = version.rpartition(" ")[0]
            return " · ".join(filter(None, (case, visit.say(word), role_name(visit, role.strip()))))
    return subject


def reason_of(visit: Visit, reason: str) -> str:
    return visit.say(REASONS[reason]) if reason in REASONS else reason


def span(visit: Visit, seconds: float) -> str:
    """Give `0:07`, `2:31` or `1:02:31`."""
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    days, hours = divmod(hours, 24)
    clock = f"{rest // 60}:{rest % 60:02}"
    if hours or days:
        clock = f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return visit.say("%(days)s d %(clock)s", days=days, clock=clock) if days else clock
