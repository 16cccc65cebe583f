"""Triggers of live runs: the database itself refuses changes of what must not change, whoever asks."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

_TERMINAL: Final = "OLD.state IN ('stopped', 'failed')"
_SPEC: Final = (
    "id, owner_id, created_at, scenario, params, scene, tick_s, steps_per_tick, method, seed, rate, price_s, "
    "memory_bytes, threads, spec_hash, numerics_version, parent_id, parent_tick"
)
_PAYLOAD: Final = "run_id, seq, client_id, fingerprint, kind, payload, at_s, actor_id, created_at"
_SNAPSHOT: Final = "id, run_id, tick, epoch, applied_seq, key, bytes, sha256, kind, created_at"

# Name, table, columns (empty: any), condition on OLD and NEW (empty: always), what is said.
# IS NOT compares with NULL on SQLite, IS DISTINCT FROM on PostgreSQL.
_RULES: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("live_runs_terminal_final", "live_runs", "", _TERMINAL, "a terminal live run never changes"),
    ("live_runs_spec_final", "live_runs", _SPEC, "", "what a live run computes never changes"),
    (
        "live_runs_platform_once",
        "live_runs",
        "platform",
        "OLD.platform IS NOT NULL AND NEW.platform {differs} OLD.platform",
        "the platform of a live run is written once",
    ),
    (
        "live_runs_version_grows",
        "live_runs",
        "state, wanted, speed, version, epoch",
        "NEW.version <= OLD.version OR NEW.epoch < OLD.epoch",
        "the version of a live run never falls",
    ),
    (
        "live_runs_numbers_grow",
        "live_runs",
        "tick, next_seq, next_event, dropped_events",
        (
            "NEW.tick < OLD.tick OR NEW.next_seq < OLD.next_seq OR NEW.next_event < OLD.next_event "
            "OR NEW.dropped_events < OLD.dropped_events"
        ),
        "the numbers of a live run never fall",
    ),
    ("live_commands_payload_final", "live_commands", _PAYLOAD, "", "a command never changes"),
    (
        "live_commands_tick_once",
        "live_commands",
        "tick",
        "OLD.tick IS NOT NULL AND NEW.tick {differs} OLD.tick",
        "the tick of a command is written once",
    ),
    (
        "live_commands_outcome_once",
        "live_commands",
        "outcome, reason, effective, applied_at",
        "OLD.outcome IS NOT NULL",
        "the outcome of a command is written once",
    ),
    ("live_events_final", "live_events", "", "", "an event never changes"),
    ("live_snapshots_final", "live_snapshots", _SNAPSHOT, "", "of a snapshot only the pin changes"),
)
# Of a column that came later.
_BODY: Final = ("live_runs_body_final", "live_runs", "body", "", "what a live run computes never changes")
_FUNCTION: Final = (
    "CREATE FUNCTION refuse_live_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$"
)


def _sqlite(name: str, table: str, columns: str, condition: str, words: str) -> str:
    when = f"WHEN {condition.format(differs='IS NOT')} " if condition else ""
    of = f"OF {columns} " if columns else ""
    return f"CREATE TRIGGER {name} BEFORE UPDATE {of}ON {table} {when}BEGIN SELECT RAISE(ABORT, '{words}'); END"


def _postgresql(name: str, table: str, columns: str, condition: str, words: str) -> str:
    when = f"WHEN ({condition.format(differs='IS DISTINCT FROM')}) " if condition else ""
    of = f"OF {columns} " if columns else ""
    return (
        f"CREATE TRIGGER {name} BEFORE UPDATE {of}ON {table} FOR EACH ROW {when}"
        f"EXECUTE FUNCTION refuse_live_change('{words}')"
    )


LIVE: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": tuple(_sqlite(*rule) for rule in _RULES),
    "postgresql": (_FUNCTION, *(_postgresql(*rule) for rule in _RULES)),
}


def install(connection: Connection) -> None:
    """Make every trigger; the tables are there."""
    for statement in LIVE[connection.dialect.name]:
        connection.exec_driver_sql(statement.replace("'%'", "'%%'"))


def install_body(connection: Connection) -> None:
    """Make the trigger of the column `body`; the others are there."""
    make = _sqlite if connection.dialect.name == "sqlite" else _postgresql
    connection.exec_driver_sql(make(*_BODY))


def remove_body(connection: Connection) -> None:
    """Remove the trigger of the column `body`."""
    table = "" if connection.dialect.name == "sqlite" else f" ON {_BODY[1]}"
    connection.exec_driver_sql(f"DROP TRIGGER {_BODY[0]}{table}")


def remove(connection: Connection) -> None:
    """Remove what does not go with the tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS refuse_live_change() CASCADE")
