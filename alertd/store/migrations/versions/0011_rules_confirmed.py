"""When a rule set was confirmed; what an alert could be submitted under until now was in force."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_sets", sa.Column("confirmed_at", sa.BigInteger(), nullable=True))
    op.execute("UPDATE rule_sets SET confirmed_at = seen_at")
