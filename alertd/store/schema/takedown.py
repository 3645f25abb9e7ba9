"""What is taken down, and what stays of it."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Table

from alertd.store.schema.base import Id, Instant, metadata

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
