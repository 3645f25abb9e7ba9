"""What of an alert is gone, and what statistics count of it when all else is."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("alerts") as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("reported_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "deletions",
        sa.Column("id", ID, nullable=False),
        sa.Column("alert_id", sa.String(length=20), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("ground", sa.String(length=20), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_deletions_alert_id_alerts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletions")),
    )
    op.create_index(op.f("ix_deletions_alert_id"), "deletions", ["alert_id"])
    _note_purged()


def _note_purged() -> None:
    """Write down what was purged before; the audit log tells by whom."""
    op.execute(
        """INSERT INTO deletions (alert_id, what, ground, "by", at, count)
        SELECT id, 'alert', 'retention', 'alertd', purged_at, 1
        FROM alerts WHERE purged_at IS NOT NULL ORDER BY id"""
    )
