"""A worker that runs containers: in a thread of the test, or as a process that a test may kill."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.docker_runs import HEAD
from tests.support.workers import RunningWorker, submit_points, working

from grid.core.settings import Settings
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.schemas.images import FoundImage
from grid.services import images
from grid.tasks.launchers import make_engine_watch, make_launcher

ROOT = Path(__file__).parents[2]
LIMITS = {"grid_docker_memory_mb": 96, "grid_output_mb": 8, "grid_docker_pids": 24}
START = "import sys; sys.path.insert(0, sys.argv[1]); from tests.support.docker_worker import main; main(*sys.argv[2:])"


def list_image(uow: UnitOfWork, image_id: str) -> None:
    """Have `sim:local` be an image that runs scripts."""
    images.add_image(uow, "sim:local", FoundImage(image_id, None, None), by="test")


def submit_scripts(uow: UnitOfWork, owner: UUID, scripts: Sequence[str], **words: Any) -> list[UUID]:
    """Submit a job for each script."""
    return [
        submit_points(
            uow, owner, [{"script": HEAD + script}], simulation=None, slot="docker", batch_key="docker", **words
        )[0]
        for script in scripts
    ]


@contextmanager
def container_worker(uow: UnitOfWork, home: Path, host: str | None, **chosen: Any) -> Iterator[RunningWorker]:
    """Run a worker in a thread."""
    home.mkdir(exist_ok=True)
    settings = Settings(_env_file=None, grid_home=home, docker_host=host, **{**LIMITS, **chosen})
    engine = make_engine_watch(settings, uow)
    with working(uow, home, launcher=make_launcher(settings), engine=engine) as worker:
        yield worker


@contextmanager
def container_worker_process(url: str, home: Path, host: str | None) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker as a process; killed at the end where it is still there."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-c", START, str(ROOT), url, str(home), host or ""]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRID_", "DATABASE_URL"))}
    with subprocess.Popen(command, env=environment, cwd=home) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def main(url: str, home: str, host: str) -> None:
    """Run until killed."""
    database = create_database(url)
    with container_worker(UnitOfWork(database), Path(home), host or None):
        while True:
            time.sleep(1)
