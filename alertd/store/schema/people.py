"""Persons and their keys, and who is told."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from alertd.store.schema.base import Id, Instant, metadata

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
