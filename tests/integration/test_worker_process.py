"""The worker as a process: what it loads, how it ends, what is left when it is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from tests.support.ledgers import add_owner
from tests.support.workers import submit_points, wait_for_ends, wait_until

from grid.core.errors import ConfigurationError
from grid.database.engine import Database
from grid.database.uow import UnitOfWork
from grid.runtime.processes import find_descendants, find_rss_bytes, find_start_time
from grid.schemas.jobs import JobStatus
from grid.tasks.assembly import require_migrated

ROOT = Path(__file__).parents[2]
MEMORY_LIMIT_MB = 150
WORKER = """
from grid.core.settings import Settings
from grid.tasks.assembly import run_worker
raise SystemExit(run_worker(Settings(_env_file=None)))
"""


@contextmanager
def worker_process(database: Database, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker with the built-in simulations."""
    home.mkdir(mode=0o700, exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("GRID_", "DATABASE_URL"))},
        "GRID_HOME": str(home),
        "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
        "GRID_LEASE_S": "3",
        "GRID_HEARTBEAT_S": "0.3",
        "GRID_SLOTS": "1",
        "GRID_COMPILE_AHEAD": "false",
        "GRID_CALIBRATION": "off",
    }
    with subprocess.Popen([sys.executable, "-c", WORKER], env=environment, cwd=home) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_the_supervisor_loads_no_numerics():
    """Each child is worth its memory; the supervisor only reads and writes."""
    code = (
        "import sys, grid.tasks.assembly; "
        "print(sorted({'numpy', 'numba', 'scipy', 'matplotlib', 'fastapi'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_worker_refuses_a_database_of_another_version_and_waits_for_one_that_is_away(
    sqlite_database: Database, tmp_path: Path
):
    require_migrated(sqlite_database.engine.url.render_as_string(hide_password=False))
    require_migrated("postgresql+psycopg://nobody@127.0.0.1:1/none")
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    with pytest.raises(ConfigurationError, match="grid db upgrade"):
        require_migrated(f"sqlite:///{empty}")


@pytest.mark.timeout(180)
def test_a_worker_runs_jobs_and_programs_and_ends_in_order_at_sigterm(sqlite_database: Database, tmp_path: Path):
    uow = UnitOfWork(sqlite_database)
    owner = add_owner(uow)
    sample = {"time_steps": 5, "spatial_steps": 11, "length": 1.0, "diffusivity": 0.01}
    ids = submit_points(uow, owner, [{}], simulation="noop") + submit_points(
        uow, owner, [sample], simulation=None, slot="program", batch_key="program"
    )
    home = tmp_path / "home"
    with worker_process(sqlite_database, home) as process:
        noop, program = wait_for_ends(uow, ids)
        assert (noop.state, program.state) == (JobStatus.SUCCESS, JobStatus.SUCCESS), program.message
        names = [entry["name"] for entry in program.result_manifest["files"]]
        assert names == ["meta.json", "result.csv", "simulation_results.png", "temperature_field.npy"]
        assert program.result_manifest["metrics"]["centre_temperature_degC"] > 0
        with uow.read() as tx:
            assert "centre at the end" in "".join(chunk.text for chunk in tx.logs.read(program.id))
        assert (find_rss_bytes(process.pid) or 0) < MEMORY_LIMIT_MB << 20
        children = find_descendants(process.pid)
        assert children

        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0

    assert [pid for pid in children if find_start_time(pid)] == []
    assert list((home / "run").glob("children-*")) == []


@pytest.mark.timeout(180)
def test_a_killed_worker_leaves_no_child_and_its_successor_ends_its_jobs(sqlite_database: Database, tmp_path: Path):
    uow = UnitOfWork(sqlite_database)
    owner = add_owner(uow)
    home = tmp_path / "home"
    (job_id,) = submit_points(uow, owner, [{"duration_s": 1.0}], simulation="noop")
    with worker_process(sqlite_database, home) as process:
        wait_until(lambda: _state(uow, job_id) is JobStatus.RUNNING, "the job ran")
        children = find_descendants(process.pid)
        process.kill()
        process.wait()

    with worker_process(sqlite_database, home) as process:
        (job,) = wait_for_ends(uow, [job_id])
        wait_until(lambda: not [pid for pid in children if find_start_time(pid)], "the orphans were gone")
        process.send_signal(signal.SIGINT)
        assert process.wait(25) == 0

    assert (job.state, job.worker_losses, job.winning_epoch) == (JobStatus.SUCCESS, 1, 2)


def _state(uow: UnitOfWork, job_id: UUID) -> JobStatus:
    with uow.read() as tx:
        return tx.jobs.find(job_id).state
