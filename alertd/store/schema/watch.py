"""The audit chain, and what watches over alertd itself."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from alertd.store.schema.base import Id, Instant, metadata

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
