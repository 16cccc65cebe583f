"""Indexes for long lists: of jobs by what few of them are, and of the audit log by actor, action and subject.

Revision 0010, after 0009. Making them reads both tables once; nothing of their rows changes.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None

LONE = "sweep_id IS NULL"
UNSUCCESSFUL = "state IN ('failed', 'cancelled', 'timed_out', 'expired')"


def upgrade() -> None:
    """Make them, in the place of two that had to be sorted."""
    for name, further, condition in (("lone", [], LONE), ("unsuccessful", ["state"], UNSUCCESSFUL)):
        op.create_index(
            f"ix_jobs_{name}",
            "jobs",
            ["owner_id", "id", *further],
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.drop_index("ix_audit_entries_action", "audit_entries")
    op.drop_index("ix_audit_entries_actor_id", "audit_entries")
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor_id", "id"])
    op.create_index("ix_audit_entries_action", "audit_entries", ["action", "id"])
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject", "id"])


def downgrade() -> None:
    """Make the former ones."""
    for name in ("actor", "action", "subject"):
        op.drop_index(f"ix_audit_entries_{name}", "audit_entries")
    op.create_index("ix_audit_entries_actor_id", "audit_entries", ["actor_id"])
    op.create_index("ix_audit_entries_action", "audit_entries", ["action"])
    for name in ("ix_jobs_unsuccessful", "ix_jobs_lone"):
        op.drop_index(name, "jobs")
