"""The tables of who gets in: how persons prove who they are, sessions, changes that wait.

What is proved with is kept as a hash, or sealed under the master key.
"""

from sqlalchemy import (
    JSON,
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

from alertd.store.schema import Id, Instant, metadata

credentials = Table(
    "credentials",
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("password_hash", Text),  # argon2id
    Column("totp_secret", LargeBinary),  # sealed under the master key
    Column("totp_step", Integer, nullable=False),  # the last that was used: each code opens once
    Column("user_handle", String(88), nullable=False, unique=True),  # what passkeys know us by
    Column("subject", String(255), unique=True),  # digest of whom the identity provider knows
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False, index=True),
    Column("credential", String(1400), nullable=False, unique=True),  # base64url
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False),
    Column("label", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False, index=True),
    Column("used_at", Instant),
)

invitations = Table(
    "invitations",  # a link that lets a person choose a password, once
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False, index=True),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

person_regions = Table(
    "person_regions",  # where a person acts; without a row, everywhere
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("region", String(6), primary_key=True),
)

person_programmes = Table(
    "person_programmes",  # in which programmes; without a row, in all
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("programme", String(40), primary_key=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the cookie
    Column("person_id", ForeignKey("persons.id"), nullable=False, index=True),
    Column("stage", String(10), nullable=False),
    Column("factor", String(10), nullable=False),  # what proved it last
    Column("agent", String(200), nullable=False),
    Column("language", String(35)),
    Column("challenge", String(88)),  # that a passkey is to sign
    Column("notices", JSON, nullable=False),  # to be read on the next page
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("fresh_at", Instant),  # when the second factor was given, until it is used
    Column("ended_at", Instant),
)

attempts = Table(
    "sign_in_attempts",  # failures by name and by network, each under a keyed hash
    metadata,
    Column("source", String(64), primary_key=True),
    Column("since", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
)

changes = Table(
    "account_changes",  # asked for by one administrator, carried out once a second agrees
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("body", JSON, nullable=False),
    Column("asked_by", ForeignKey("persons.id"), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("decided_by", ForeignKey("persons.id")),
    Column("decided_at", Instant),
    Column("agreed", Boolean),
    Index(
        "ix_account_changes_open",
        "id",
        sqlite_where=text("decided_at IS NULL"),
        postgresql_where=text("decided_at IS NULL"),
    ),
)
