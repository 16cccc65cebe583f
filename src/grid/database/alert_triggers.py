"""Triggers of alerts and incidents: the database itself refuses changes of what was recorded, whoever asks."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

_INCIDENT: Final = "id, owner_id, run_id, group_key, severity, opened_at, opened_by, numerics_version"
_ALERT: Final = "id, run_id, owner_id, rule, number, fired_tick, fired_time_s, fired_at, first_tick, first_value"

# Name, table, statement (with its columns), condition (empty: always), what is said. A transition goes with its run, so
# that its removal alone is not refused; entries of incidents stay for good.
_RULES: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("alert_transitions_final", "alert_transitions", "UPDATE", "", "a transition of a rule never changes"),
    ("alerts_origin_final", "alerts", f"UPDATE OF {_ALERT}", "", "how an alert began never changes"),
    ("silences_end_once", "silences", "UPDATE", "OLD.ended_at IS NOT NULL", "a silence that has ended never changes"),
    ("incident_entries_no_update", "incident_entries", "UPDATE", "", "incident_entries is append-only"),
    ("incident_entries_no_delete", "incident_entries", "DELETE", "", "incident_entries is append-only"),
    ("incidents_origin_final", "incidents", f"UPDATE OF {_INCIDENT}", "", "how an incident began never changes"),
    ("incidents_closed_final", "incidents", "UPDATE", "OLD.state = 'closed'", "a closed incident never changes"),
)
_FUNCTION: Final = (
    "CREATE FUNCTION refuse_alert_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$"
)
_NO_TRUNCATE: Final = (
    "CREATE TRIGGER incident_entries_no_truncate BEFORE TRUNCATE ON incident_entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_alert_change('incident_entries is append-only')"
)


def _sqlite(name: str, table: str, statement: str, condition: str, words: str) -> str:
    when = f"WHEN {condition} " if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {statement} ON {table} {when}BEGIN SELECT RAISE(ABORT, '{words}'); END"


def _postgresql(name: str, table: str, statement: str, condition: str, words: str) -> str:
    when = f"WHEN ({condition}) " if condition else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {statement} ON {table} FOR EACH ROW {when}"
        f"EXECUTE FUNCTION refuse_alert_change('{words}')"
    )


ALERTS: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": tuple(_sqlite(*rule) for rule in _RULES),
    "postgresql": (_FUNCTION, *(_postgresql(*rule) for rule in _RULES), _NO_TRUNCATE),
}


def install(connection: Connection) -> None:
    """Make every trigger; the tables are there."""
    for statement in ALERTS[connection.dialect.name]:
        connection.exec_driver_sql(statement.replace("'%'", "'%%'"))


def remove(connection: Connection) -> None:
    """Remove what does not go with the tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS refuse_alert_change() CASCADE")
