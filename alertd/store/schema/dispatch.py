"""Dispatch: the ledger, which is also the queue."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from alertd.store.schema.base import Id, Instant, metadata

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
