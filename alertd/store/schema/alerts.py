"""The alert: its versions, what was approved, what it says."""

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from alertd.store.schema.base import Id, Instant, metadata

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
    Column("case_reference", String(40), nullable=False, index=True),
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

form_templates = Table(
    "form_templates",  # what a new form may start from: in the open, for it is of no case
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(60), nullable=False),
    Column("folded", String(200), nullable=False, unique=True),  # the name as it is compared
    Column("programme", String(40), nullable=False),
    Column("regions", JSON, nullable=False),  # whose it is
    Column("form", JSON, nullable=False),  # the fields of the form, as it sends them
    sqlite_autoincrement=True,  # no number twice: by it the record names a template
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
