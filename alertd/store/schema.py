"""The tables, once for both databases. Instants are integers: microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import JSON, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_micros(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as an integer so that both databases compare it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_micros(value)


# SQLite numbers rows by itself only in a column declared exactly INTEGER PRIMARY KEY.
Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- people and their keys -------------------------------------------------------------------

persons = Table(
    "persons",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("language", String(35), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

person_roles = Table(
    "person_roles",
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("deputy", Boolean, nullable=False),  # asked only after the others had their time
)

person_addresses = Table(
    "person_addresses",
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("address_id", ForeignKey("addresses.id"), primary_key=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("label", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

# --- who is told -----------------------------------------------------------------------------

addresses = Table(
    "addresses",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("address", String(500), nullable=False),
    Column("lane", String(300), nullable=False),  # provider or endpoint host that it shares
    Column("secret", LargeBinary),  # a webhook's, sealed under the master key
    Column("suppressed_at", Instant),
    Column("suppressed_reason", String(40)),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("channel", "address"),
)

recipients = Table(
    "recipients",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address_id", ForeignKey("addresses.id"), nullable=False, index=True),
    Column("label", String(200), nullable=False),
    Column("recipient_class", String(40), nullable=False),
    Column("language", String(35), nullable=False),
    Column("exercise", Boolean, nullable=False),  # may be sent exercises and tests, and only those
    Column("consent", String(200), nullable=False),  # what proves it: form, contract, date
    Column("consent_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("lease_until", Instant),  # of a subscription by WebSub, which has to be renewed
)

recipient_regions = Table(
    "recipient_regions",
    metadata,
    Column("region", String(6), primary_key=True),  # ISO 3166-2, or the country alone
    Column("recipient_id", ForeignKey("recipients.id"), primary_key=True),
    Index("ix_recipient_regions_recipient_id", "recipient_id"),
)

# --- the alert -------------------------------------------------------------------------------

rule_sets = Table(
    "rule_sets",
    metadata,
    Column("programme", String(40), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("confirmed_at", Instant),  # none: a proposal
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("programme", String(40), nullable=False),
    Column("status", String(10), nullable=False),  # CAP's: actual, exercise, test
    Column("case_reference", String(40), nullable=False),
    Column("key_id", String(40), nullable=False),  # names the key that personal fields are under
    Column("created_by", ForeignKey("persons.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("purged_at", Instant),
    # For statistics, which outlive the facts; NULL for alerts of before they were kept.
    Column("kind", String(40)),
    Column("reported_at", Instant),
)

versions = Table(
    "versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(10), nullable=False),  # alert or update
    Column("state", String(12), nullable=False, index=True),  # core.lifecycle
    Column("revision", Integer, nullable=False),  # counts edits; the ETag
    Column("identifier", String(100), unique=True),  # from submission on, never changed
    Column("rule_set_version", Integer, nullable=False),
    Column("facts", LargeBinary),  # ChildAlert as JSON, sealed; NULL once purged
    Column("regions", JSON, nullable=False),  # whom it reaches: see core.audience
    Column("languages", JSON, nullable=False),
    Column("digest", String(64)),  # what approvals are bound to
    Column("created_by", ForeignKey("persons.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("submitted_at", Instant),
    Column("sent_at", Instant),  # CAP's `sent`: set once, at activation
    Column("expires_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("closed_reason", String(40)),
    UniqueConstraint("alert_id", "number"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("role", String(40), nullable=False),
    Column("person_id", ForeignKey("persons.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("reference", String(200), nullable=False),  # of the order or decision
    Column("at", Instant, nullable=False),
    Column("voided_at", Instant),
    Index(
        "uq_approvals_version_id_role_standing",
        "version_id",
        "role",
        unique=True,
        sqlite_where=text("voided_at IS NULL"),
        postgresql_where=text("voided_at IS NULL"),
    ),
)

form_drafts = Table(
    "form_drafts",  # forms in the middle of a phone call: not yet an alert's shape
    metadata,
    Column("id", String(20), primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False, index=True),
    Column("purpose", String(10), nullable=False),
    Column("alert_id", ForeignKey("alerts.id"), index=True),  # that it edits or updates
    Column("alert_revision", Integer),  # of the version that it edits, as it was read
    Column("programme", String(40), nullable=False),
    Column("status", String(10), nullable=False),
    Column("key_id", String(40), nullable=False),  # its own
    Column("body", LargeBinary, nullable=False),  # what the form says, sealed
    Column("revision", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("saved_at", Instant, nullable=False, index=True),
)

fingerprints = Table(
    "fingerprints",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("mac", String(64), primary_key=True),  # HMAC of a child's name or a plate
    Index("ix_fingerprints_mac", "mac"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
)

renditions = Table(
    "renditions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("variant", String(40), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("language", String(35), nullable=False),
    Column("form", String(20), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("body", LargeBinary),  # sealed; NULL once purged
    UniqueConstraint("version_id", "kind", "variant", "channel", "language", "form"),
)

# --- dispatch: the ledger, which is also the queue -------------------------------------------

dispatches = Table(
    "dispatches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False),
    Column("kind", String(12), nullable=False),  # core.rendition.Kind
    Column("variant", String(40), nullable=False),
    Column("occurrence", Integer, nullable=False),  # 0 is the first sending
    Column("identifier", String(120), nullable=False),  # CAP's, of this message
    Column("priority", SmallInteger, nullable=False),
    Column("exercise", Boolean, nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("deadline_at", Instant, nullable=False),
    Column("references", Text, nullable=False),  # CAP's triplets, filled into the slot
    Column("source", String(40), nullable=False),  # what is being expanded: see pipeline.expand
    Column("expanded_to", BigInteger, nullable=False),  # keyset cursor: last row taken of it
    Column("expanded_at", Instant),  # NULL while recipients are still being added
    Column("stopped_at", Instant),  # nothing of it may be handed over any more
    Column("swept_at", Instant),  # all that was queued when it stopped is closed
    Column("channels", JSON(none_as_null=True)),  # NULL: every channel that was rendered
    Column("classes", JSON(none_as_null=True)),  # of recipients; NULL: all
    Column("tell_opted_out", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("version_id", "kind", "variant", "occurrence"),
    Index(
        "ix_dispatches_open",
        "id",
        sqlite_where=text("expanded_at IS NULL OR (stopped_at IS NOT NULL AND swept_at IS NULL)"),
        postgresql_where=text(
            "expanded_at IS NULL OR (stopped_at IS NOT NULL AND swept_at IS NULL)"
        ),
    ),
)

documents = Table(
    "documents",  # signed CAP: as it was signed, so it is served
    metadata,
    Column("dispatch_id", ForeignKey("dispatches.id"), primary_key=True),
    Column("body", LargeBinary),  # sealed; NULL once purged
    Column("certificate", String(64), nullable=False),  # SHA-256 of the signer's
    Column("at", Instant, nullable=False),
)

HALTED = "state IN ('dead', 'uncertain', 'expired')"
"""The few among millions that someone may have to look at. SQLite takes a partial index only for
a query that says the very same, so such a query says it beside whatever else it asks."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    # No foreign keys: rows are only made by INSERT ... SELECT from what they refer to, nothing
    # that they refer to is ever deleted, and checking each would double the cost of expansion.
    Column("dispatch_id", BigInteger, nullable=False),
    Column("address_id", BigInteger, nullable=False),
    Column("channel", String(40), nullable=False),
    Column("lane", String(300), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("language", String(35), nullable=False),
    Column("region", String(6), nullable=False, server_default=""),  # for which it was taken in
    Column("state", String(10), nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),  # when due; the lease's end while leased
    Column("lease", String(20)),  # of the process that has it in hand: the fence
    Column("handed_over", Boolean, nullable=False),  # it arrived, or may have arrived
    Column("repeat", Boolean, nullable=False),
    Column("provider_ref", String(100)),
    Column("reason", String(40)),
    Column("sent_at", BigInteger),
    Column("delivered_at", BigInteger),
    UniqueConstraint("dispatch_id", "address_id"),
    # The two queries of the hot path: what is due on a channel, and whose lease ran out.
    Index(
        "ix_deliveries_due",
        "channel",
        "priority",
        "next_at",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "ix_deliveries_leased",
        "next_at",
        sqlite_where=text("state = 'leased'"),
        postgresql_where=text("state = 'leased'"),
    ),
    Index(
        "ix_deliveries_trouble",
        "state",
        "id",
        "channel",
        "reason",
        "dispatch_id",
        sqlite_where=text(HALTED),
        postgresql_where=text(HALTED),
    ),
    Index(
        "ix_deliveries_failures",
        "dispatch_id",
        "channel",
        "state",
        "reason",
        sqlite_where=text(HALTED),
        postgresql_where=text(HALTED),
    ),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", BigInteger, nullable=False, index=True),
    Column("number", SmallInteger, nullable=False),  # 0: the provider's later report
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("result", String(16), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", String(100), nullable=False),  # the peer's code
    Column("provider_ref", String(100), nullable=False),
    Column("node", String(20), nullable=False),
    Column("batch", BigInteger, nullable=False, index=True),  # seq of the audit entry covering it
)

progress = Table(
    "progress",
    metadata,
    Column("dispatch_id", ForeignKey("dispatches.id"), primary_key=True),
    Column("channel", String(40), primary_key=True),
    Column("state", String(10), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_at", BigInteger),  # when the first and the last delivery came to this state
    Column("last_at", BigInteger),
)

region_progress = Table(
    "region_progress",  # the same by region, over all channels
    metadata,
    Column("dispatch_id", ForeignKey("dispatches.id"), primary_key=True),
    Column("region", String(6), primary_key=True),
    Column("state", String(10), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

lanes = Table(
    "lanes",
    metadata,
    Column("lane", String(300), primary_key=True),  # a channel's name, or channel/endpoint host
    Column("channel", String(40), nullable=False),
    Column("state", String(10), nullable=False),  # open, paused (by us), closed (by an operator)
    Column("reason", String(40), nullable=False),
    Column("until", BigInteger, nullable=False),  # paused: when to try again
    Column("failures", Integer, nullable=False),  # in a row
    Column("pace", Integer, nullable=False),  # hundredths of the channel's rate, less after a 429
    Column("tokens", BigInteger, nullable=False),  # thousandths of a message
    Column("tokens_at", BigInteger, nullable=False),
)

# --- what is taken down ------------------------------------------------------------------------

photos = Table(
    "photos",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False, index=True),  # SHA-256 of its largest size
    Column("key_id", String(40), nullable=False),  # its own: it can be forgotten by itself
    Column("token", LargeBinary),  # of its public address, sealed; NULL once forgotten
    Column("address", String(64), nullable=False, unique=True),  # SHA-256 of that token
    Column("alert_id", ForeignKey("alerts.id"), index=True),  # NULL until an alert takes it
    Column("created_by", ForeignKey("persons.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),  # taken down by hand
    Column("purged_at", Instant),
)

photo_sizes = Table(
    "photo_sizes",
    metadata,
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
    Column("size", Integer, primary_key=True),  # the longest side it was fitted into
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("length", Integer, nullable=False),  # bytes of the file
    Column("sha1", String(40), nullable=False),  # CAP's resource digest is SHA-1
    Column("body", LargeBinary, nullable=False),  # JPEG, sealed
)

version_photos = Table(
    "version_photos",
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("photo_id", ForeignKey("photos.id"), primary_key=True),
)

acknowledgements = Table(
    "acknowledgements",  # that an endpoint has deleted what it had of a version
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),
    Column("address_id", ForeignKey("addresses.id"), primary_key=True),
    Column("at", Instant, nullable=False),
)

takedowns = Table(
    "takedowns",  # what of an alert that is over was seen to be gone where the world looks
    metadata,
    Column("version_id", ForeignKey("versions.id"), primary_key=True),  # the last one that was out
    Column("what", String(12), primary_key=True),
    Column("name", String(120), primary_key=True),  # a document's identifier, a photo's number
    Column("gone_at", Instant, nullable=False),
)

recalls = Table(
    "recalls",  # messages that were still in a provider's queue when their alert stopped
    metadata,
    Column("delivery_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("result", String(16), nullable=False),
)

retired_keys = Table(
    "retired_keys",  # to be destroyed: what they sealed has been emptied
    metadata,
    Column("key_id", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
)

deletions = Table(
    "deletions",  # what of an alert is gone for good: stays when all else is forgotten
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("what", String(20), nullable=False),  # core.retention.What
    Column("ground", String(20), nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", Instant, nullable=False),
    Column("count", BigInteger, nullable=False),  # of what there was
)

# --- audit -----------------------------------------------------------------------------------

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(40), nullable=False),
    Column("alert_id", String(20), index=True),
    Column("body", Text, nullable=False),  # canonical JSON: what is hashed
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_texts = Table(
    "audit_texts",
    metadata,
    Column("seq", ForeignKey("audit.seq"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("text", LargeBinary),  # salt and text, sealed under the alert's key; NULL once purged
)

marks = Table(
    "marks",  # small facts about this install: instance id, audit head's lock, last anchor
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

# --- watching over alertd itself ---------------------------------------------------------------

link_tests = Table(
    "link_tests",  # whether a channel's peer would take a message now; the latest few of each
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("at", Instant, nullable=False),
    Column("took_us", BigInteger, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", String(100), nullable=False),  # the peer's code
    Index("ix_link_tests_channel_id", "channel", "id"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("subject", String(300), nullable=False),  # what it is about: a channel, a dispatch
    Column("alert_id", String(20)),
    Column("raised_at", Instant, nullable=False),
    Column("told_at", Instant),  # when operators were sent a notice
    Column("ended_at", Instant),
    Index(
        "uq_alarms_standing",
        "kind",
        "subject",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)
