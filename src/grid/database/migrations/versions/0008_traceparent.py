"""The context of tracing that a job carries from its request to its attempts.

Revision 0008, after 0007. Jobs of before have none.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("traceparent", sa.String(55), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("jobs", "traceparent")
