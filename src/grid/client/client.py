"""The typed clients: `GridClient` waits, `AsyncGridClient` awaits; both send the calls of `grid.client.calls`."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack
from uuid import UUID, uuid4

from grid.client import calls
from grid.client.alerts import AlertRules, Alerts, Incidents, Modes, Silences
from grid.client.async_client import AsyncGridClient
from grid.client.calls import API, Id, JobFilters, Submission, require_success
from grid.client.credentials import LocalCredential
from grid.client.engine import Engine
from grid.client.events import Event, EventReader
from grid.client.fields import Fields
from grid.client.folder import read_address
from grid.client.outcomes import require_successful_job, require_successful_sweep
from grid.client.remote import find_server
from grid.client.replays import Replays
from grid.client.sender import LONG, POINTS, STREAM, Sender
from grid.core.settings import Settings
from grid.schemas.jobs import JobStatus
from grid.schemas.wire import JobOut, SubmissionOut, SweepOut, SweepRow

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # it ships no types


__all__ = ["AsyncGridClient", "GridClient", "address_of", "find_address", "find_credential"]

PART = 200  # rows of one answer where a whole list is read: the most that the service gives at once


def address_of(settings: Settings) -> str:
    """Return the address at which a local server with these settings answers."""
    host = settings.grid_host
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - where it listens, not where we listen
    return f"http://[{host}]:{settings.grid_port}" if ":" in host else f"http://{host}:{settings.grid_port}"


def find_address(settings: Settings) -> str:
    """Return the address of the server of a data folder.

    Where GRID_HOST or GRID_PORT is set, that is meant; else where the server that runs on the folder listens, so that a
    command needs no setting which the start had.
    """
    if settings.model_fields_set & {"grid_host", "grid_port"}:
        return address_of(settings)
    return read_address(settings.grid_home) or address_of(settings)


def find_credential(settings: Settings) -> LocalCredential:
    """Return what commands log in with: to the server of GRID_URL or of a login elsewhere, else to the data folder's.

    Raises:
        ConfigurationError: GRID_URL or GRID_CA_FILE cannot be used.
    """
    server = find_server(settings)
    address = server.address if server is not None else find_address(settings)
    return LocalCredential(settings.grid_home, address, server=server)


class GridClient(Sender):
    """Talks to a Grid server. Use it in a `with` block, or `close()` it; its arguments are those of `Sender`.

    Every method raises `ProblemError` where the server refuses, and `ServerUnreachableError` where none answers.
    """

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """Return a client of the server that commands use, logged in.

        That is the server of `GRID_URL`, or the one that somebody logged in to, else the data folder's, with the
        credential that its first start left.
        """
        credential = find_credential(settings or Settings())
        client = cls(credential.address, credential.access_token, context=credential.context)
        client._prove = credential.proven
        return client

    @cached_property
    def engine(self) -> Engine:
        """Verbs of live runs."""
        return Engine(self)

    @cached_property
    def replays(self) -> Replays:
        """Verbs for replays and branches of live runs."""
        return Replays(self)

    @cached_property
    def fields(self) -> Fields:
        """Verbs for the fields of finished jobs."""
        return Fields(self)

    @cached_property
    def alerts(self) -> Alerts:
        """Verbs of alerts."""
        return Alerts(self)

    @cached_property
    def alert_rules(self) -> AlertRules:
        """Verbs of the alert rules that are kept."""
        return AlertRules(self)

    @cached_property
    def silences(self) -> Silences:
        """Verbs of silences."""
        return Silences(self)

    @cached_property
    def incidents(self) -> Incidents:
        """Verbs of incidents."""
        return Incidents(self)

    @cached_property
    def modes(self) -> Modes:
        """Verbs of degraded modes."""
        return Modes(self)

    # The verbs that are more than one call; every other is `client.send(calls.VERB(...))`, with a short form below.

    def submit(self, **submission: Unpack[Submission]) -> SubmissionOut:
        """Submit a job or a sweep (fields of `calls.submit`).

        A key of its own goes along, so that a submission that is sent again after a lost answer is not made twice.
        """
        submission.setdefault("idempotency_key", str(uuid4()))
        return self.send_surely(calls.submit(**submission), timeout=LONG)

    def get_job(self, job_id: Id) -> JobOut:
        """Show one job."""
        return self.send(calls.get_job(job_id))

    def iterate_jobs(self, **filters: Unpack[JobFilters]) -> Iterator[JobOut]:
        """Yield every job, newest first (filters of `calls.list_jobs`), each once, while others come and go."""
        after: UUID | None = None
        while True:
            found = self.send(calls.list_jobs(after=after, limit=PART, **filters))
            yield from found.items
            if (after := found.next) is None:
                return

    def wait(
        self,
        job_id: Id,
        *,
        timeout_s: float | None = None,
        require_successful: bool = True,
        on_change: Callable[[JobOut], None] | None = None,
    ) -> JobOut:
        """Wait until a job has ended, and return it.

        Raises:
            JobUnsuccessfulError: It ended otherwise than with `success`, and `require_successful` is set.
            TimeoutError: It is still not over after `timeout_s`.
        """
        started, pause = time.monotonic(), 0.02
        while True:
            job = self.get_job(job_id)
            if on_change is not None:
                on_change(job)
            if JobStatus(job.status).is_terminal:
                return require_successful_job(job) if require_successful else job
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def cancel(self, job_id: Id) -> JobOut:
        """Cancel a job: it stops for real; refused where it has ended."""
        return self.send(calls.cancel_job(job_id))

    def get_sweep(self, sweep_id: Id) -> SweepOut:
        """Show a sweep: its points by state."""
        return self.send(calls.get_sweep(sweep_id))

    def cancel_sweep(self, sweep_id: Id) -> SweepOut:
        """Cancel what is left of a sweep; harmless when repeated."""
        return self.send(calls.cancel_sweep(sweep_id))

    def wait_sweep(
        self,
        sweep_id: Id,
        *,
        timeout_s: float | None = None,
        require_successful: bool = True,
        on_change: Callable[[SweepOut], None] | None = None,
    ) -> SweepOut:
        """Wait until every point of a sweep has ended, and return its counts.

        Raises:
            SweepUnsuccessfulError: A point ended otherwise than with `success`, and `require_successful` is set.
            TimeoutError: It is still not over after `timeout_s`.
        """
        started, pause = time.monotonic(), 0.05
        while True:
            sweep = self.get_sweep(sweep_id)
            if on_change is not None:
                on_change(sweep)
            if sweep.is_finished:
                return require_successful_sweep(sweep) if require_successful else sweep
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TimeoutError(f"sweep {sweep_id} is {sweep.progress:.0%} done after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def iterate_points(self, sweep_id: Id, *, status: Sequence[str] | None = None) -> Iterator[SweepRow]:
        """Yield the points of a sweep in their order: parameters, state, reason and metrics; only those in `status`."""
        after: int | None = None
        while True:
            found = self.send(calls.sweep_table(sweep_id, after=after, limit=POINTS, status=status))
            yield from found.rows
            if (after := found.next) is None:
                return

    def table(self, sweep_id: Id) -> list[SweepRow]:
        """Return all points of a sweep, in their order."""
        return list(self.iterate_points(sweep_id))

    def to_dataframe(self, sweep_id: Id) -> "pd.DataFrame":
        """Return a sweep as a pandas table: a row for each point by its place, columns `params.*` and `metrics.*`."""
        from grid.client.tables import to_dataframe

        return to_dataframe(self.iterate_points(sweep_id))

    def download_csv(self, sweep_id: Id, destination: Path) -> Path:
        """Write the whole table of a sweep to `destination`, as CSV."""
        return self._download(f"{API}/sweeps/{sweep_id}?format=csv", destination)

    def download_result(self, job_id: Id, destination: Path) -> Path:
        """Write the zip of a job's files to `destination`; nothing is left there if it breaks off."""
        return self._download(f"{API}/jobs/{job_id}/result", destination)

    def download_artifact(self, job_id: Id, name: str, destination: Path) -> Path:
        """Write one file of a job to `destination`."""
        return self._download(f"{API}/jobs/{job_id}/artifacts/{name}", destination)

    def _download(self, path: str, destination: Path) -> Path:
        partial = destination.with_name(destination.name + ".part")
        try:
            with (
                self._reaching(),
                self._http.stream("GET", path, headers=self._authorization(), timeout=LONG) as response,
            ):
                if not response.is_success:
                    response.read()
                    require_success(response)
                with partial.open("wb") as out:
                    for block in response.iter_bytes():
                        out.write(block)
            partial.replace(destination)
        finally:
            partial.unlink(missing_ok=True)
        return destination

    def stream_logs(self, job_id: Id, *, last_event_id: str | None = None) -> Iterator[Event]:
        """Yield the events of a job's log as they come, until the job has ended; resumes by itself."""
        return self._stream(f"{API}/jobs/{job_id}/logs/stream", last_event_id)

    def follow_run(self, run: Id, *, after: int = 0) -> Iterator[Event]:
        """Yield the events of a live run behind a number, as they come, until it has ended; resumes by itself.

        The `id` of an event is its number, its `data` a `LiveEventOut` as JSON; the last is `end`.
        """
        return self._stream(f"{API}/engine/runs/{run}/events/stream", str(after))

    def follow_metrics(self, run: Id, *, hz: float = 2.0, after: int | None = None) -> Iterator[Event]:
        """Yield samples of a live run as they come, so many a second, until it has ended; resumes by itself.

        The `id` of a `sample` is the tick behind the last that it covers; one that is named is gone on behind.
        """
        last = None if after is None else str(after)
        return self._stream(f"{API}/engine/runs/{run}/metrics/stream?hz={hz:g}", last)

    def _stream(self, path: str, last_event_id: str | None) -> Iterator[Event]:
        reader = EventReader(last_event_id)
        while not reader.is_over:
            with self._reaching():
                headers = {**self._authorization(), **reader.headers()}
                with self._http.stream("GET", path, headers=headers, timeout=STREAM) as response:
                    if not response.is_success:
                        response.read()
                        require_success(response)
                    for line in response.iter_lines():
                        event = reader.feed(line)
                        if event is not None:
                            yield event
            if not reader.is_over:
                time.sleep(reader.retry_s)
