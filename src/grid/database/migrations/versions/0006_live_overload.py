"""What a live run may leave out where it cannot keep its pace, and what holds up its ticks.

Revision 0006, after 0005. Runs of before keep their physics, and let time slip.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("live_runs", sa.Column("overload_policy", sa.String(16), nullable=False, server_default="slip"))
    op.add_column("live_runs", sa.Column("activity", sa.String(16), nullable=True))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("live_runs", "activity")
    op.drop_column("live_runs", "overload_policy")
