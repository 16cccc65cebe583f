"""The first schema: users, jobs and what belongs to them.

Revision 0001, after nothing.
"""
# ruff: noqa: E501 - constraints are written as the database reads them

import sqlalchemy as sa
from alembic import op

from grid.database.base import Json, Key, UTCDateTime
from grid.database.triggers import install, remove

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make every table, index and trigger."""
    op.create_table(
        "audit_entries",
        sa.Column("chain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", Key(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor_id", Key(), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_entries_id")),
    )
    op.create_index("ix_audit_entries_action", "audit_entries", ["action"], unique=False)
    op.create_index("ix_audit_entries_actor_id", "audit_entries", ["actor_id"], unique=False)

    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("aggregate", sa.String(length=100), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("aggregate", "version", name=op.f("uq_outbox_aggregate_version")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stream_events",
        sa.Column(
            "stream_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("aggregate", sa.String(length=100), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("relayed_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("stream_seq", name=op.f("pk_stream_events")),
        sa.UniqueConstraint("aggregate", "version", name=op.f("uq_stream_events_aggregate_version")),
    )
    op.create_index("ix_stream_events_age", "stream_events", ["relayed_at"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", Key(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("password_changed_at", UTCDateTime(), nullable=False),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_users_role_known")),
        sa.CheckConstraint("length(username) BETWEEN 1 AND 64", name=op.f("ck_users_username_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("last_seen_at", UTCDateTime(), nullable=False),
        sa.Column("last_poll_at", UTCDateTime(), nullable=True),
        sa.Column("stopped_at", UTCDateTime(), nullable=True),
        sa.Column("details", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_index("ix_workers_seen", "workers", ["last_seen_at"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("route", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", Json, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_idempotency_keys_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("owner_id", "route", "key", name=op.f("pk_idempotency_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_keys_expiry", "idempotency_keys", ["expires_at"], unique=False)

    op.create_table(
        "owner_queues",
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("queue_limit", sa.Integer(), nullable=True),
        sa.Column("active_limit", sa.Integer(), nullable=True),
        sa.Column("last_claimed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("queue_limit >= 0 AND active_limit >= 0", name=op.f("ck_owner_queues_limits_not_negative")),
        sa.CheckConstraint("queued >= 0 AND active >= 0", name=op.f("ck_owner_queues_counts_not_negative")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_owner_queues_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owner_queues")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", Key(), nullable=False),
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_because", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)

    op.create_table(
        "sweeps",
        sa.Column("id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("simulation", sa.String(length=100), nullable=True),
        sa.Column("image", sa.String(length=255), nullable=True),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("success", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("timed_out", sa.Integer(), nullable=False),
        sa.Column("expired", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("cancel_requested_at", UTCDateTime(), nullable=True),
        sa.Column("cancel_reason", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (success + failed + cancelled + timed_out + expired = total)",
            name=op.f("ck_sweeps_finished_when_all_ended"),
        ),
        sa.CheckConstraint(
            "success >= 0 AND failed >= 0 AND cancelled >= 0 AND timed_out >= 0 AND expired >= 0 AND success + failed + cancelled + timed_out + expired <= total",
            name=op.f("ck_sweeps_counts_within_total"),
        ),
        sa.CheckConstraint("total >= 1", name=op.f("ck_sweeps_total_positive")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_sweeps_owner_id_users"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
    )
    op.create_index("ix_sweeps_owner", "sweeps", ["owner_id", "id"], unique=False)

    op.create_table(
        "jobs",
        sa.Column("id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("sweep_id", Key(), nullable=True),
        sa.Column("sweep_index", sa.Integer(), nullable=True),
        sa.Column("simulation", sa.String(length=100), nullable=True),
        sa.Column("image", sa.String(length=255), nullable=True),
        sa.Column("params", Json, nullable=False),
        sa.Column("spec_hash", sa.String(length=64), nullable=False),
        sa.Column("batch_key", sa.String(length=255), nullable=False),
        sa.Column("slot", sa.String(length=16), nullable=False),
        sa.Column("work_s", sa.Double(), nullable=False),
        sa.Column("wall_limit_s", sa.Double(), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("available_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("deadline_at", UTCDateTime(), nullable=True),
        sa.Column("cancel_requested_at", UTCDateTime(), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("message", sa.String(length=2000), nullable=True),
        sa.Column("attempts_used", sa.SmallInteger(), nullable=False),
        sa.Column("worker_losses", sa.SmallInteger(), nullable=False),
        sa.Column("infra_failures", sa.SmallInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("batch_id", Key(), nullable=True),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("heartbeat_at", UTCDateTime(), nullable=True),
        sa.Column("winning_epoch", sa.Integer(), nullable=True),
        sa.Column("result_manifest", Json, nullable=True),
        sa.CheckConstraint(
            "(state = 'success') = (winning_epoch IS NOT NULL) AND (state = 'success') = (result_manifest IS NOT NULL)",
            name=op.f("ck_jobs_result_when_won"),
        ),
        sa.CheckConstraint(
            "(state IN ('queued', 'starting', 'running')) = (reason IS NULL)", name=op.f("ck_jobs_reason_when_ending")
        ),
        sa.CheckConstraint(
            "(state IN ('starting', 'running', 'cancelling')) = (lease_owner IS NOT NULL) AND (state IN ('starting', 'running', 'cancelling')) = (lease_until IS NOT NULL) AND (state IN ('starting', 'running', 'cancelling')) = (heartbeat_at IS NOT NULL) AND (state IN ('starting', 'running', 'cancelling')) = (batch_id IS NOT NULL)",
            name=op.f("ck_jobs_lease_when_held"),
        ),
        sa.CheckConstraint(
            "(state IN ('success', 'failed', 'cancelled', 'timed_out', 'expired')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_finished_when_terminal"),
        ),
        sa.CheckConstraint(
            "reason IN ('ok', 'nonzero_exit', 'diverged', 'oom', 'wall_timeout', 'cpu_timeout', 'start_timeout', 'output_too_large', 'bad_output', 'image_unavailable', 'sandbox_unavailable', 'infra', 'worker_lost', 'poison', 'cancelled_by_user', 'cancelled_by_admin', 'cancelled_by_sweep', 'quota', 'queue_expired')",
            name=op.f("ck_jobs_reason_known"),
        ),
        sa.CheckConstraint("slot IN ('small', 'large', 'program')", name=op.f("ck_jobs_slot_known")),
        sa.CheckConstraint(
            "state IN ('queued', 'starting', 'running', 'cancelling', 'success', 'failed', 'cancelled', 'timed_out', 'expired')",
            name=op.f("ck_jobs_state_known"),
        ),
        sa.CheckConstraint("(simulation IS NULL) <> (image IS NULL)", name=op.f("ck_jobs_simulation_or_image")),
        sa.CheckConstraint("(sweep_id IS NULL) = (sweep_index IS NULL)", name=op.f("ck_jobs_sweep_place")),
        sa.CheckConstraint(
            "attempts_used >= 0 AND worker_losses BETWEEN 0 AND 3 AND infra_failures >= 0 AND max_attempts >= 1 AND epoch >= 0 AND wall_limit_s > 0 AND work_s >= 0",
            name=op.f("ck_jobs_counts_sane"),
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 1", name=op.f("ck_jobs_progress_fraction")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_jobs_owner_id_users"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name=op.f("fk_jobs_sweep_id_sweeps"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        postgresql_with={
            "fillfactor": 80,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_analyze_scale_factor": 0.02,
        },
    )
    op.create_index(
        "ix_jobs_claim",
        "jobs",
        ["owner_id", "priority", "available_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_jobs_expiry",
        "jobs",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_jobs_lease",
        "jobs",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state IN ('starting', 'running', 'cancelling')"),
        postgresql_where=sa.text("state IN ('starting', 'running', 'cancelling')"),
    )
    op.create_index("ix_jobs_owner", "jobs", ["owner_id", "id"], unique=False)
    op.create_index(
        "ix_jobs_shape",
        "jobs",
        ["owner_id", "batch_key", "priority", "available_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "uq_jobs_sweep_place",
        "jobs",
        ["sweep_id", "sweep_index"],
        unique=True,
        sqlite_where=sa.text("sweep_id IS NOT NULL"),
        postgresql_where=sa.text("sweep_id IS NOT NULL"),
    )

    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("session_id", Key(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.Column("successor", sa.String(length=64), nullable=True),
        sa.Column("contested", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_refresh_tokens_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"], unique=False)

    op.create_table(
        "job_attempts",
        sa.Column("job_id", Key(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("batch_id", Key(), nullable=False),
        sa.Column("container_id", sa.String(length=128), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("oom", sa.Boolean(), nullable=True),
        sa.Column("usage", Json, nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name=op.f("ck_job_attempts_outcome_when_ended")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_attempts_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "epoch", name=op.f("pk_job_attempts")),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_log_chunks",
        sa.Column("job_id", Key(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("length(text) <= 16384", name=op.f("ck_job_log_chunks_text_within_cap")),
        sa.CheckConstraint("seq BETWEEN 0 AND 4095", name=op.f("ck_job_log_chunks_seq_within_cap")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_log_chunks_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "epoch", "seq", name=op.f("pk_job_log_chunks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "renders",
        sa.Column("id", Key(), nullable=False),
        sa.Column("job_id", Key(), nullable=False),
        sa.Column("names", sa.String(length=1024), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("files", Json, nullable=True),
        sa.Column("failure", sa.String(length=1000), nullable=True),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.CheckConstraint("(state = 'ready') = (files IS NOT NULL)", name=op.f("ck_renders_files_when_ready")),
        sa.CheckConstraint(
            "(state = 'rendering') = (lease_owner IS NOT NULL)", name=op.f("ck_renders_lease_when_rendering")
        ),
        sa.CheckConstraint(
            "(state = 'rendering') = (lease_until IS NOT NULL)", name=op.f("ck_renders_end_when_rendering")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_renders_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renders")),
        sa.UniqueConstraint("job_id", "names", name=op.f("uq_renders_job_id_names")),
    )
    op.create_index("ix_renders_open", "renders", ["state", "requested_at"], unique=False)

    install(op.get_bind())


def downgrade() -> None:
    """Remove them all."""
    remove(op.get_bind())

    op.drop_table("renders")
    op.drop_table("job_log_chunks")
    op.drop_table("job_attempts")

    op.drop_table("refresh_tokens")

    op.drop_table("jobs")

    op.drop_table("sweeps")

    op.drop_table("sessions")
    op.drop_table("owner_queues")

    op.drop_table("idempotency_keys")

    op.drop_table("workers")
    op.drop_table("users")

    op.drop_table("stream_events")
    op.drop_table("outbox")
    op.drop_table("audit_heads")

    op.drop_table("audit_entries")
