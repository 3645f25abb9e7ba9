"""Photos, narrower dispatches, and what a takedown has to account for."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dispatches") as batch_op:
        batch_op.add_column(sa.Column("channels", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("classes", sa.JSON(), nullable=True))
        batch_op.add_column(
            sa.Column("tell_opted_out", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    _photos()
    op.create_table(
        "acknowledgements",
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_acknowledgements_version_id_versions")
        ),
        sa.ForeignKeyConstraint(
            ["address_id"],
            ["addresses.id"],
            name=op.f("fk_acknowledgements_address_id_addresses"),
        ),
        sa.PrimaryKeyConstraint("version_id", "address_id", name=op.f("pk_acknowledgements")),
    )
    op.create_table(
        "recalls",
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_recalls")),
    )
    op.create_table(
        "retired_keys",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_retired_keys")),
    )


def _photos() -> None:
    op.create_table(
        "photos",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=20), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("purged_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_photos_alert_id_alerts")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["persons.id"], name=op.f("fk_photos_created_by_persons")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
        sa.UniqueConstraint("address", name=op.f("uq_photos_address")),
    )
    op.create_index(op.f("ix_photos_digest"), "photos", ["digest"])
    op.create_index(op.f("ix_photos_alert_id"), "photos", ["alert_id"])
    op.create_table(
        "photo_sizes",
        sa.Column("photo_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("sha1", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("fk_photo_sizes_photo_id_photos")
        ),
        sa.PrimaryKeyConstraint("photo_id", "size", name=op.f("pk_photo_sizes")),
    )
    op.create_table(
        "version_photos",
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("photo_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_version_photos_version_id_versions")
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("fk_version_photos_photo_id_photos")
        ),
        sa.PrimaryKeyConstraint("version_id", "photo_id", name=op.f("pk_version_photos")),
    )
