"""What the web page needs: tokens that are used once, saved views, and by what each session was opened.

Revision 0007, after 0006. Of sessions of before nothing is known of where they were opened.
"""

import sqlalchemy as sa
from alembic import op

from grid.database.base import Json, Key, UTCDateTime

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

TEXT = sa.String().with_variant(sa.Text(), "postgresql")


def upgrade() -> None:
    """Make the tables, their indexes and the columns."""
    op.create_table(
        "one_time_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("session_id", Key(), nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_one_time_tokens_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_one_time_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_one_time_tokens")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_one_time_tokens_expiry", "one_time_tokens", ["expires_at"], unique=False)
    op.create_index("ix_one_time_tokens_user", "one_time_tokens", ["user_id", "purpose", "expires_at"], unique=False)
    op.create_table(
        "saved_views",
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_saved_views_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_saved_views")),
    )
    op.add_column("sessions", sa.Column("kind", sa.String(length=16), nullable=True))
    op.add_column("sessions", sa.Column("address", sa.String(length=64), nullable=True))
    op.add_column("sessions", sa.Column("agent", sa.String(length=200), nullable=True))


def downgrade() -> None:
    """Remove them."""
    for name in ("agent", "address", "kind"):
        op.drop_column("sessions", name)
    op.drop_table("saved_views")
    op.drop_table("one_time_tokens")
