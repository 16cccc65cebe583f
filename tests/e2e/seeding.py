"""Rows put straight into the SQLite database of a server, for pages that show more than a server makes in a test."""

import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from tests.support.server import Server

DAY_MS = 86_400_000


def log_in_headers(server: Server) -> dict[str, str]:
    """Return headers of the administrator."""
    return {"Authorization": f"Bearer {server.log_in()}"}


def submit(server: Server, **body: Any) -> list[str]:
    """Submit a job or a sweep as the administrator; return the ids of the jobs."""
    answer = httpx.post(f"{server.url}/api/v1/jobs", json=body, headers=log_in_headers(server))
    answer.raise_for_status()
    return list(answer.json()["jobs"])


def copy_job(home: Path, job_id: str, rows: Iterable[dict[str, Any]]) -> int:
    """Insert copies of a job, each with a new id and with what its row says otherwise; return how many.

    The ids are of version 7, a millisecond apart, so that the list has the order of `rows`, the last first.
    """
    with closing(sqlite3.connect(home / "grid.db", timeout=30)) as database, database:
        database.row_factory = sqlite3.Row
        form = dict(_find(database, job_id))
        start = int(time.time() * 1000) - DAY_MS
        copies = [{**form, **row, "id": _key(start, index)} for index, row in enumerate(rows)]
        names = ", ".join(f'"{name}"' for name in form)
        marks = ", ".join(f":{name}" for name in form)
        database.executemany(f"INSERT INTO jobs ({names}) VALUES ({marks})", copies)
    return len(copies)


def ended(state: str, reason: str, *, ago_s: float, **more: Any) -> dict[str, Any]:
    """Return the columns of a job that has ended, some seconds ago."""
    moment = time.time() - ago_s
    times = {"created_at": moment - 1.0, "started_at": moment - 0.5, "finished_at": moment}
    return {"state": state, "reason": reason, **times, **more}


def _find(database: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    row = database.execute("SELECT * FROM jobs WHERE id = ?", (UUID(job_id).hex,)).fetchone()
    assert row is not None, f"there is no job {job_id}"
    return row  # type: ignore[no-any-return]


def _key(start: int, index: int) -> str:
    return UUID(int=((start + index) << 80) | (7 << 76) | (2 << 62) | index).hex


def insert(home: Path, table: str, **row: Any) -> None:
    """Insert one row of any table; members that are a dict or a list become JSON."""
    plain = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}
    names, marks = ", ".join(f'"{name}"' for name in plain), ", ".join(f":{name}" for name in plain)
    with closing(sqlite3.connect(home / "grid.db", timeout=30)) as database, database:
        database.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', plain)


def change(home: Path, statement: str, *values: Any) -> None:
    """Run one statement."""
    with closing(sqlite3.connect(home / "grid.db", timeout=30)) as database, database:
        database.execute(statement, values)


def find_owner(home: Path, username: str = "admin") -> str:
    """Return the id of a user as the database has it."""
    with closing(sqlite3.connect(home / "grid.db", timeout=30)) as database:
        return str(database.execute("SELECT id FROM users WHERE username = ?", (username,)).fetchone()[0])


def critical_alert(home: Path, severity: str = "critical", summary: str = "stress above the limit") -> str:
    """Insert an alert that fires, of a live run that is not there any more; return its id."""
    alert = uuid4().hex
    insert(
        home, "alerts", id=alert, run_id=uuid4().hex, owner_id=find_owner(home), rule=summary, number=1, rule_version=1,
        definition={"summary": summary}, severity=severity, region=None, state="firing", cover=None, value=71.5,
        threshold=60.0, first_tick=10, first_value=61.0, fired_tick=12, fired_time_s=1.2, fired_at=time.time(),
    )  # fmt: skip
    return alert
