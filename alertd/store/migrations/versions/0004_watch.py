"""Link tests and alarms; the index of halted deliveries takes in every halted state."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HALTED = sa.text("state IN ('dead', 'uncertain', 'expired')")


def upgrade() -> None:
    op.drop_index("ix_deliveries_trouble", table_name="deliveries")
    op.create_index(
        "ix_deliveries_trouble",
        "deliveries",
        ["state", "id", "channel", "reason", "dispatch_id"],
        sqlite_where=HALTED,
        postgresql_where=HALTED,
    )
    op.create_index(
        "ix_deliveries_failures",
        "deliveries",
        ["dispatch_id", "channel", "state", "reason"],
        sqlite_where=HALTED,
        postgresql_where=HALTED,
    )
    op.create_table(
        "link_tests",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("took_us", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_tests")),
    )
    op.create_index("ix_link_tests_channel_id", "link_tests", ["channel", "id"])
    op.create_table(
        "alarms",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("alert_id", sa.String(length=20), nullable=True),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    standing = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_alarms_standing",
        "alarms",
        ["kind", "subject"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )


def downgrade() -> None:
    op.drop_table("alarms")
    op.drop_table("link_tests")
    op.drop_index("ix_deliveries_failures", table_name="deliveries")
    standing = sa.text("state IN ('dead', 'uncertain')")
    op.drop_index("ix_deliveries_trouble", table_name="deliveries")
    op.create_index(
        "ix_deliveries_trouble",
        "deliveries",
        ["state", "id"],
        sqlite_where=standing,
        postgresql_where=standing,
    )
