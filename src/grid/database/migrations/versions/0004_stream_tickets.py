"""Tickets of streams.

Revision 0004, after 0002.
"""

import sqlalchemy as sa
from alembic import op

from grid.database.base import Key, UTCDateTime

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the table and its indexes."""
    op.create_table(
        "stream_tickets",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("session_id", Key(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_stream_tickets_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_stream_tickets_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stream_tickets")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stream_tickets_expiry", "stream_tickets", ["expires_at"], unique=False)
    op.create_index("ix_stream_tickets_user", "stream_tickets", ["user_id", "expires_at"], unique=False)


def downgrade() -> None:
    """Remove it."""
    op.drop_table("stream_tickets")
