"""The main job, as `make up` runs it: the sample simulation once, and a small sweep."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from grid.cli.output import table
from grid.cli.waiting import Patience
from grid.client import calls
from grid.client.client import GridClient
from grid.client.errors import ProblemError, ServerUnreachableError
from grid.core.settings import Settings
from grid.schemas.jobs import JobStatus
from grid.schemas.wire import JobOut, SubmissionOut
from grid.schemas.wire.sweeps import SweepTable

T = TypeVar("T")

SAMPLE = {"length": 1.0, "time_steps": 100, "diffusivity": 0.01, "initial_temp": 100.0}
SWEEP = [{**SAMPLE, "diffusivity": value} for value in (0.005, 0.01, 0.02, 0.05)]
LABELS = {"project": "first-run"}
IN_FLIGHT = "idempotency-key-in-flight"
FIRST_PAUSE_S, RETRY_S = 0.02, 1.0


def run_sample(*, say: Callable[[str], None], settings: Settings | None = None) -> dict[str, Any]:
    """Run the sample once in the life of a data folder; later calls return what it gave, or wait on for it.

    The keys of the submissions and the ids are kept in the data folder as soon as they are known, so that nothing is
    run twice, wherever an earlier call was ended.

    Raises:
        StalledError: The service does nothing any more, and the sample is not done.
    """
    from grid.cli.starting import find_service_processes

    settings = settings or Settings()
    zip_path = settings.grid_home / "sample.zip"
    with GridClient.from_settings(settings) as client:
        waiting = Waiting(client, Patience(say, lambda: find_service_processes(settings)))
        job_id, sweep_id = waiting.submit(settings.grid_home / "sample.json", say)
        job = waiting.for_job(job_id)
        points = waiting.for_sweep(sweep_id)
        if not zip_path.exists():
            waiting.ask("the files of the sample job", lambda: client.download_result(job_id, zip_path))
    return {"job": job.model_dump(mode="json"), "sweep": points.model_dump(mode="json"), "result": str(zip_path)}


@dataclass(frozen=True)
class Waiting:
    """The calls of the sample, for which a slow server has as long as it works."""

    client: GridClient
    patience: Patience

    def ask(self, what: str, call: Callable[[], T]) -> T:
        """Make a call, and again where no answer came in time."""
        while True:
            try:
                return call()
            except ServerUnreachableError as error:
                if not _came_late(error):
                    raise
            except ProblemError as error:
                if error.problem_code != IN_FLIGHT:  # of the call before, whose answer came too late
                    raise
            self.patience.look(what)
            time.sleep(RETRY_S)

    def submit(self, file: Path, say: Callable[[str], None]) -> tuple[str, str]:
        """Submit job and sweep, unless `file` says that this was done; return their ids."""
        known = self.ask("the server", lambda: _recall(self.client, file))
        if "job" not in known:
            known = {"key": known.get("key") or str(uuid4())}
            _remember(file, known)
            say("running the sample simulation")
            known["job"] = self._submit(f"{known['key']}-job", image="sim:local", params=SAMPLE).jobs[0]
            say("running a sweep of four points")
            known["sweep"] = self._submit(f"{known['key']}-sweep", simulation="heat-rod", sweep=SWEEP).sweep
            _remember(file, known)
        return str(known["job"]), str(known["sweep"])

    def _submit(self, key: str, **submission: Any) -> SubmissionOut:
        send = partial(self.client.submit, **submission, metadata=LABELS, idempotency_key=key)
        return self.ask("the server to take the sample", send)

    def for_job(self, job_id: str) -> JobOut:
        """Wait for the sample job.

        Raises:
            JobUnsuccessfulError: It ended otherwise than with `success`.
        """
        pause = FIRST_PAUSE_S
        while not JobStatus((job := self.ask("the server", partial(self.client.get_job, job_id))).status).is_terminal:
            self.patience.look(f"the sample job, which is {job.status}", job.progress)
            pause = _sleep(pause)
        return self.client.wait(job_id)

    def for_sweep(self, sweep_id: str) -> SweepTable:
        """Wait for every point of the sweep.

        Raises:
            SweepUnsuccessfulError: A point ended otherwise than with `success`.
        """
        pause = FIRST_PAUSE_S
        while not (sweep := self.ask("the server", partial(self.client.get_sweep, sweep_id))).is_finished:
            states = ", ".join(f"{count} {status}" for status, count in sweep.by_status.items() if count)
            self.patience.look(f"the sample sweep ({states})")
            pause = _sleep(pause)
        self.client.wait_sweep(sweep_id)
        return self.ask("the table of the sweep", lambda: self.client.send(calls.sweep_table(sweep_id)))


def _came_late(error: BaseException) -> bool:
    """Whether an answer was not there in time, and not refused or broken off."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.TimeoutException | TimeoutError):
            return True
        cause = cause.__cause__
    return False


def _sleep(pause: float) -> float:
    """Sleep, and return how long to sleep the next time."""
    time.sleep(pause)
    return min(1.0, pause * 1.5)


def _remember(file: Path, known: dict[str, Any]) -> None:
    file.write_text(json.dumps(known, default=str), encoding="ascii")


def _recall(client: GridClient, file: Path) -> dict[str, Any]:
    """Return what an earlier start left: the key of its submissions, and their ids unless they are gone or failed."""
    try:
        known: dict[str, Any] = json.loads(file.read_text(encoding="ascii"))
        if "job" not in known:
            return known
        job, sweep = client.get_job(known["job"]), client.get_sweep(known["sweep"])
    except (OSError, ValueError, KeyError, TypeError, ProblemError):
        return {}
    is_lost = JobStatus(job.status).is_terminal and job.status != JobStatus.SUCCESS
    is_lost |= sweep.is_finished and sweep.by_status.get(JobStatus.SUCCESS, 0) != sweep.points
    return {} if is_lost else known


def sample_view(document: dict[str, Any]) -> Iterator[Any]:
    """Yield what `make up` prints: results, files, address, and how to log in."""
    job, sweep = document["job"], document["sweep"]
    metrics = list(dict.fromkeys(name for row in sweep["rows"] for name in row["metrics"] or {}))[:3]
    rows = [("sample job", job["status"], job["params"].get("diffusivity"), *_pick(job["metrics"], metrics))]
    rows += [
        (
            f"sweep point {row['index'] + 1}",
            row["status"],
            row["params"].get("diffusivity"),
            *_pick(row["metrics"], metrics),
        )
        for row in sweep["rows"]
    ]
    yield table("run", "status", "diffusivity, m2/s", *metrics, rows=rows)
    yield f"Files    {document['result']}  (CSV, picture, field and metadata of the sample job)"
    yield f"Address  {document['address']}  (its pages: {document['address']}/docs)"
    yield 'Log in   commands do it by themselves; curl: -H "Authorization: Bearer $(.venv/bin/grid auth token)"'
    yield "Next     .venv/bin/grid jobs submit --sim heat-rod --param diffusivity=0.02 --wait"
    yield "Live     .venv/bin/grid engine start burst && .venv/bin/grid monitor"


def _pick(values: dict[str, Any] | None, names: list[str]) -> list[Any]:
    return [(values or {}).get(name) for name in names]
