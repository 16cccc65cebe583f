"""Triggers: the database itself refuses changes of a terminal job, and of what a job computes, whoever asks."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from grid.database.audit import APPEND_ONLY, APPEND_ONLY_UNDO

_TERMINAL: Final = "OLD.state IN ('success', 'failed', 'cancelled', 'timed_out', 'expired')"
_SPEC: Final = (
    "id, owner_id, sweep_id, sweep_index, simulation, image, params, spec_hash, batch_key, slot, work_s, wall_limit_s, "
    "max_attempts, created_at"
)
_FINAL_STATE: Final = "a terminal job never changes"
_FINAL_SPEC: Final = "what a job computes never changes"
_OLDER: Final = "the version of a job never falls"

JOBS: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (
        (
            f"CREATE TRIGGER jobs_terminal_final BEFORE UPDATE ON jobs WHEN {_TERMINAL} "
            f"BEGIN SELECT RAISE(ABORT, '{_FINAL_STATE}'); END"
        ),
        (
            f"CREATE TRIGGER jobs_spec_final BEFORE UPDATE OF {_SPEC} ON jobs "
            f"BEGIN SELECT RAISE(ABORT, '{_FINAL_SPEC}'); END"
        ),
        (
            "CREATE TRIGGER jobs_version_grows BEFORE UPDATE OF state, version, epoch ON jobs "
            "WHEN NEW.version <= OLD.version OR NEW.epoch < OLD.epoch "
            f"BEGIN SELECT RAISE(ABORT, '{_OLDER}'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION refuse_job_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$"
        ),
        (
            f"CREATE TRIGGER jobs_terminal_final BEFORE UPDATE ON jobs FOR EACH ROW WHEN ({_TERMINAL}) "
            f"EXECUTE FUNCTION refuse_job_change('{_FINAL_STATE}')"
        ),
        (
            f"CREATE TRIGGER jobs_spec_final BEFORE UPDATE OF {_SPEC} ON jobs FOR EACH ROW "
            f"EXECUTE FUNCTION refuse_job_change('{_FINAL_SPEC}')"
        ),
        (
            "CREATE TRIGGER jobs_version_grows BEFORE UPDATE OF state, version, epoch ON jobs FOR EACH ROW "
            "WHEN (NEW.version <= OLD.version OR NEW.epoch < OLD.epoch) "
            f"EXECUTE FUNCTION refuse_job_change('{_OLDER}')"
        ),
    ),
}
JOBS_UNDO: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (),  # triggers go with their table
    "postgresql": ("DROP FUNCTION IF EXISTS refuse_job_change() CASCADE",),
}


def install(connection: Connection) -> None:
    """Make every trigger; the tables are there."""
    for statements in (JOBS, APPEND_ONLY):
        for statement in statements[connection.dialect.name]:
            connection.exec_driver_sql(statement.replace("'%'", "'%%'"))


def remove(connection: Connection) -> None:
    """Remove what does not go with the tables."""
    for statements in (JOBS_UNDO, APPEND_ONLY_UNDO):
        for statement in statements[connection.dialect.name]:
            connection.exec_driver_sql(statement)
