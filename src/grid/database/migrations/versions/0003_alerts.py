"""Alert rules, alerts, silences, notices, incidents and modes.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

from grid.database.alert_triggers import install, remove
from grid.database.base import Json, Key, UTCDateTime

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make every table, index and trigger."""
    op.create_table(
        "mode_states",
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("timers", Json, nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("rung >= 0", name=op.f("ck_mode_states_rung_counts")),
        sa.PrimaryKeyConstraint("part", "scope", name=op.f("pk_mode_states")),
    )
    op.create_table(
        "notices",
        sa.Column("id", Key(), nullable=False),
        sa.Column("group_key", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("notifier", sa.String(length=64), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("failed_at", UTCDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_notices_attempts_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index(
        "ix_notices_waiting",
        "notices",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("group_key", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("opened_by", Key(), nullable=True),
        sa.Column("assigned_to", sa.String(length=100), nullable=True),
        sa.Column("resolved_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("first_tick", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", Json, nullable=True),
        sa.Column("numerics_version", sa.String(length=64), nullable=False),
        sa.Column("runbook", Json, nullable=True),
        sa.Column("event_cursor", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "severity IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_incidents_severity_known")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'acknowledged', 'resolved', 'closed')", name=op.f("ck_incidents_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_incidents_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index("ix_incidents_group", "incidents", ["group_key", "state"], unique=False)
    op.create_index("ix_incidents_owner", "incidents", ["owner_id", "id"], unique=False)
    op.create_index(op.f("ix_incidents_run_id"), "incidents", ["run_id"], unique=False)
    op.create_table(
        "silences",
        sa.Column("id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("matchers", Json, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_by", Key(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("until_below", Json, nullable=True),
        sa.Column("warned_at", UTCDateTime(), nullable=True),
        sa.Column("matched_at", UTCDateTime(), nullable=True),
        sa.Column("hidden", Json, nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ended_by", Key(), nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_silences_reason_when_ended")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_silences_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index(
        "ix_silences_living",
        "silences",
        ["until"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_silences_owner", "silences", ["owner_id", "id"], unique=False)
    op.create_table(
        "alert_rules",
        sa.Column("id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("run_id", Key(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", Json, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_alert_rules_version_counts")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_alert_rules_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_alert_rules_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
    )
    op.create_index(
        "uq_alert_rules_of_owner",
        "alert_rules",
        ["owner_id", "name"],
        unique=True,
        sqlite_where=sa.text("run_id IS NULL"),
        postgresql_where=sa.text("run_id IS NULL"),
    )
    op.create_index(
        "uq_alert_rules_of_run",
        "alert_rules",
        ["run_id", "name"],
        unique=True,
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_table(
        "alert_transitions",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("alert", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=8), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("value_hex", sa.String(length=32), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=8), nullable=False),
        sa.CheckConstraint("actor IN ('engine', 'service')", name=op.f("ck_alert_transitions_actor_known")),
        sa.CheckConstraint("part IN ('value', 'cover')", name=op.f("ck_alert_transitions_part_known")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_alert_transitions_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "rule", "n", name=op.f("pk_alert_transitions")),
    )
    op.create_index(
        "uq_alert_transitions_engine",
        "alert_transitions",
        ["run_id", "rule", "tick", "before", "after"],
        unique=True,
        sqlite_where=sa.text("actor = 'engine'"),
        postgresql_where=sa.text("actor = 'engine'"),
    )
    op.create_table(
        "alerts",
        sa.Column("id", Key(), nullable=False),
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("owner_id", Key(), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("definition", Json, nullable=True),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("region", sa.String(length=1000), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("cover", sa.String(length=16), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("first_tick", sa.BigInteger(), nullable=True),
        sa.Column("first_value", sa.Double(), nullable=True),
        sa.Column("fired_tick", sa.BigInteger(), nullable=False),
        sa.Column("fired_time_s", sa.Double(), nullable=False),
        sa.Column("fired_at", UTCDateTime(), nullable=False),
        sa.Column("ended_tick", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=32), nullable=True),
        sa.Column("acknowledged_by", Key(), nullable=True),
        sa.Column("acknowledged_at", UTCDateTime(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("inhibited_by", sa.String(length=200), nullable=True),
        sa.Column("silence_id", Key(), nullable=True),
        sa.Column("incident_id", Key(), nullable=True),
        sa.CheckConstraint("severity IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_alerts_severity_known")),
        sa.CheckConstraint(
            "state IN ('firing', 'holding', 'resolved', 'unresolved')", name=op.f("ck_alerts_state_known")
        ),
        sa.CheckConstraint("number >= 1 AND rule_version >= 1", name=op.f("ck_alerts_numbers_sane")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_alerts_owner_id_users"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_alerts_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("run_id", "rule", "number", name=op.f("uq_alerts_run_id_rule_number")),
    )
    op.create_index(
        "ix_alerts_active",
        "alerts",
        ["run_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('firing', 'holding')"),
        postgresql_where=sa.text("state IN ('firing', 'holding')"),
    )
    op.create_index("ix_alerts_owner", "alerts", ["owner_id", "id"], unique=False)
    op.create_table(
        "incident_entries",
        sa.Column("incident_id", Key(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("fk_incident_entries_incident_id_incidents"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("incident_id", "n", name=op.f("pk_incident_entries")),
    )
    op.create_table(
        "incident_heads",
        sa.Column("incident_id", Key(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_heads_incident_id_incidents"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_incident_heads")),
    )
    op.create_table(
        "notice_groups",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("told", Json, nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=True),
        sa.Column("told_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("version >= 0", name=op.f("ck_notice_groups_version_counts")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_notice_groups_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notice_groups")),
    )
    op.create_index(op.f("ix_notice_groups_run_id"), "notice_groups", ["run_id"], unique=False)
    op.create_table(
        "rule_states",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", Json, nullable=True),
        sa.Column("origin", sa.String(length=16), nullable=True),
        sa.Column("value", sa.String(length=16), nullable=False),
        sa.Column("metric_cover", sa.String(length=16), nullable=True),
        sa.Column("cover", sa.String(length=16), nullable=True),
        sa.Column("beneath", sa.String(length=16), nullable=True),
        sa.Column("counted_from", UTCDateTime(), nullable=True),
        sa.Column("alert", sa.Integer(), nullable=False),
        sa.Column("machine", Json, nullable=True),
        sa.Column("next_n", sa.Integer(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "cover IN ('stale', 'no_data', 'suspended', 'closed')", name=op.f("ck_rule_states_cover_known")
        ),
        sa.CheckConstraint(
            "metric_cover IN ('stale', 'no_data', 'closed')", name=op.f("ck_rule_states_metric_cover_known")
        ),
        sa.CheckConstraint("value IN ('ok', 'pending', 'firing', 'holding')", name=op.f("ck_rule_states_value_known")),
        sa.CheckConstraint("next_n >= 1 AND alert >= 0 AND version >= 1", name=op.f("ck_rule_states_numbers_sane")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["live_runs.id"], name=op.f("fk_rule_states_run_id_live_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "rule", name=op.f("pk_rule_states")),
    )

    install(op.get_bind())


def downgrade() -> None:
    """Remove them all."""
    remove(op.get_bind())

    op.drop_table("rule_states")
    op.drop_table("notice_groups")
    op.drop_table("incident_heads")
    op.drop_table("incident_entries")
    op.drop_table("alerts")
    op.drop_table("alert_transitions")
    op.drop_table("alert_rules")
    op.drop_table("silences")
    op.drop_table("incidents")
    op.drop_table("notices")
    op.drop_table("mode_states")
