"""How far a dispatch has come in each region."""

import sqlalchemy as sa
from alembic import op

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deliveries", sa.Column("region", sa.String(length=6), nullable=False, server_default="")
    )
    op.create_table(
        "region_progress",
        sa.Column("dispatch_id", ID, nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dispatch_id"], ["dispatches.id"], name=op.f("fk_region_progress_dispatch_id")
        ),
        sa.PrimaryKeyConstraint("dispatch_id", "region", "state", name=op.f("pk_region_progress")),
    )
