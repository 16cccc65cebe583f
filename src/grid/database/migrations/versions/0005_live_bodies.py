"""What lists tell of a live run's scene.

Revision 0005, after 0004. Runs of before have none.
"""

import sqlalchemy as sa
from alembic import op

from grid.database.base import Json
from grid.database.live_triggers import install_body, remove_body

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column, which never changes."""
    op.add_column("live_runs", sa.Column("body", Json, nullable=True))
    install_body(op.get_bind())


def downgrade() -> None:
    """Remove it."""
    remove_body(op.get_bind())
    op.drop_column("live_runs", "body")
