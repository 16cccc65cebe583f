"""Live runs, with their commands, events, samples and snapshots.

Revision 0002, after 0001.
"""
# ruff: noqa: E501 - constraints are written as the database reads them

import sqlalchemy as sa
from alembic import op

from grid.database.base import Json, Key, UTCDateTime
from grid.database.live_triggers import install, remove

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make every table, index and trigger."""
    op.create_table(
        "live_runs",
        sa.Column("id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("scenario", sa.String(length=64), nullable=True),
        sa.Column("params", Json, nullable=False),
        sa.Column("scene", Json, nullable=False),
        sa.Column("tick_s", sa.String(length=32), nullable=False),
        sa.Column("steps_per_tick", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("price_s", sa.Double(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("threads", sa.SmallInteger(), nullable=False),
        sa.Column("spec_hash", sa.String(length=64), nullable=False),
        sa.Column("numerics_version", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=True),
        sa.Column("parent_id", Key(), nullable=True),
        sa.Column("parent_tick", sa.BigInteger(), nullable=True),
        sa.Column("wanted", sa.String(length=8), nullable=False),
        sa.Column("speed", sa.Double(), nullable=True),
        sa.Column("model_policy", sa.String(length=16), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("sampled_at", UTCDateTime(), nullable=True),
        sa.Column("next_seq", sa.Integer(), nullable=False),
        sa.Column("next_event", sa.Integer(), nullable=False),
        sa.Column("dropped_events", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", Key(), nullable=True),
        sa.Column("load_share", sa.Double(), nullable=False),
        sa.Column("paced_until", UTCDateTime(), nullable=False),
        sa.Column("available_at", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("message", sa.String(length=2000), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("heartbeat_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("losses", sa.SmallInteger(), nullable=False),
        sa.Column("loss_ticks", Json, nullable=False),
        sa.Column("healthy_since", UTCDateTime(), nullable=True),
        sa.Column("winning_epoch", sa.Integer(), nullable=True),
        sa.Column("result_manifest", Json, nullable=True),
        sa.CheckConstraint(
            "(state IN ('starting', 'running', 'paused', 'resuming', 'stopping')) = (lease_owner IS NOT NULL) AND (state IN ('starting', 'running', 'paused', 'resuming', 'stopping')) = (lease_until IS NOT NULL) AND (state IN ('starting', 'running', 'paused', 'resuming', 'stopping')) = (heartbeat_at IS NOT NULL) AND (state IN ('starting', 'running', 'paused', 'resuming', 'stopping')) = (claimed_at IS NOT NULL)",
            name=op.f("ck_live_runs_lease_when_held"),
        ),
        sa.CheckConstraint(
            "(state IN ('stopped', 'failed')) = (finished_at IS NOT NULL)",
            name=op.f("ck_live_runs_finished_when_terminal"),
        ),
        sa.CheckConstraint(
            "(winning_epoch IS NULL) = (result_manifest IS NULL) AND (winning_epoch IS NULL OR state = 'stopped')",
            name=op.f("ck_live_runs_result_when_stopped"),
        ),
        sa.CheckConstraint(
            "model_policy IN ('auto', 'lumped', 'diffusive')", name=op.f("ck_live_runs_model_policy_known")
        ),
        sa.CheckConstraint(
            "reason IN ('ok', 'stopped_by_user', 'stopped_by_admin', 'diverged', 'oom', 'start_timeout', 'poison', 'storage_full', 'infra')",
            name=op.f("ck_live_runs_reason_known"),
        ),
        sa.CheckConstraint(
            "reason IS NOT NULL OR state NOT IN ('stopping', 'stopped', 'failed')",
            name=op.f("ck_live_runs_reason_when_ending"),
        ),
        sa.CheckConstraint(
            "reason IS NULL OR wanted = 'stop' OR state IN ('stopped', 'failed')",
            name=op.f("ck_live_runs_reason_only_when_ending"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'starting', 'running', 'paused', 'parked', 'interrupted', 'resuming', 'stopping', 'stopped', 'failed')",
            name=op.f("ck_live_runs_state_known"),
        ),
        sa.CheckConstraint(
            "wanted = 'stop' OR state NOT IN ('stopping', 'stopped')", name=op.f("ck_live_runs_wanted_when_stopping")
        ),
        sa.CheckConstraint("wanted IN ('run', 'pause', 'stop')", name=op.f("ck_live_runs_wanted_known")),
        sa.CheckConstraint("(parent_id IS NULL) = (parent_tick IS NULL)", name=op.f("ck_live_runs_parent_place")),
        sa.CheckConstraint(
            "epoch >= 0 AND losses BETWEEN 0 AND 3 AND tick >= 0 AND next_seq >= 1 AND next_event >= 1 AND dropped_events >= 0 AND load_share >= 0 AND steps_per_tick >= 1 AND rate > 0 AND price_s > 0 AND memory_bytes >= 0 AND threads >= 1",
            name=op.f("ck_live_runs_counts_sane"),
        ),
        sa.CheckConstraint("speed IS NULL OR speed BETWEEN 0.1 AND 100", name=op.f("ck_live_runs_speed_in_range")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_live_runs_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_runs")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_live_runs_claim",
        "live_runs",
        ["available_at", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'parked', 'interrupted')"),
        postgresql_where=sa.text("state IN ('queued', 'parked', 'interrupted')"),
    )
    op.create_index(
        "ix_live_runs_holder",
        "live_runs",
        ["lease_owner"],
        unique=False,
        sqlite_where=sa.text("state IN ('starting', 'running', 'paused', 'resuming', 'stopping')"),
        postgresql_where=sa.text("state IN ('starting', 'running', 'paused', 'resuming', 'stopping')"),
    )
    op.create_index(
        "ix_live_runs_lease",
        "live_runs",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state IN ('starting', 'running', 'paused', 'resuming', 'stopping')"),
        postgresql_where=sa.text("state IN ('starting', 'running', 'paused', 'resuming', 'stopping')"),
    )
    op.create_index("ix_live_runs_owner", "live_runs", ["owner_id", "id"], unique=False)
    op.create_index("ix_live_runs_parent", "live_runs", ["parent_id"], unique=False)

    op.create_table(
        "live_commands",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("at_s", sa.Double(), nullable=True),
        sa.Column("actor_id", Key(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("effective", Json, nullable=True),
        sa.Column("applied_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('event', 'end-event', 'model', 'rules', 'mode', 'speed', 'pause', 'resume', 'step', 'stop', 'checkpoint')",
            name=op.f("ck_live_commands_kind_known"),
        ),
        sa.CheckConstraint("outcome IN ('applied', 'refused')", name=op.f("ck_live_commands_outcome_known")),
        sa.CheckConstraint(
            "reason IS NULL OR (outcome IS NOT NULL AND outcome = 'refused')",
            name=op.f("ck_live_commands_reason_when_refused"),
        ),
        sa.CheckConstraint("(outcome IS NULL) = (applied_at IS NULL)", name=op.f("ck_live_commands_time_when_settled")),
        sa.CheckConstraint("outcome IS NULL OR tick IS NOT NULL", name=op.f("ck_live_commands_tick_when_settled")),
        sa.CheckConstraint("seq >= 1 AND (tick IS NULL OR tick >= 0)", name=op.f("ck_live_commands_numbers_sane")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_live_commands_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_live_commands")),
        sa.UniqueConstraint("run_id", "client_id", name=op.f("uq_live_commands_run_id_client_id")),
    )
    op.create_index(
        "ix_live_commands_waiting",
        "live_commands",
        ["run_id", "seq"],
        unique=False,
        sqlite_where=sa.text("tick IS NULL"),
        postgresql_where=sa.text("tick IS NULL"),
    )

    op.create_table(
        "live_events",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("origin IN ('engine', 'operator', 'wall')", name=op.f("ck_live_events_origin_known")),
        sa.CheckConstraint("n >= 1 AND tick >= 0 AND step >= 0", name=op.f("ck_live_events_numbers_sane")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_live_events_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "n", name=op.f("pk_live_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_live_events_engine",
        "live_events",
        ["run_id", "tick", "kind", "key"],
        unique=True,
        sqlite_where=sa.text("origin = 'engine'"),
        postgresql_where=sa.text("origin = 'engine'"),
    )

    op.create_table(
        "live_samples",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("metrics", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(metrics) BETWEEN 32 AND 2048", name=op.f("ck_live_samples_metrics_within_cap")),
        sa.CheckConstraint("level BETWEEN 0 AND 40 AND place >= 0", name=op.f("ck_live_samples_numbers_sane")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_live_samples_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "level", "place", name=op.f("pk_live_samples")),
    )
    op.create_table(
        "live_snapshots",
        sa.Column("id", Key(), nullable=False),
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("applied_seq", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('auto', 'user', 'final', 'incident')", name=op.f("ck_live_snapshots_kind_known")),
        sa.CheckConstraint(
            "tick >= 0 AND epoch >= 1 AND applied_seq >= 0 AND bytes >= 0", name=op.f("ck_live_snapshots_numbers_sane")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_live_snapshots_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_snapshots")),
        sa.UniqueConstraint("key", name=op.f("uq_live_snapshots_key")),
    )
    op.create_index("ix_live_snapshots_run", "live_snapshots", ["run_id", "tick"], unique=False)

    install(op.get_bind())


def downgrade() -> None:
    """Remove them all."""
    remove(op.get_bind())

    op.drop_table("live_snapshots")
    op.drop_table("live_samples")
    op.drop_table("live_events")
    op.drop_table("live_commands")
    op.drop_table("live_runs")
