"""The typed client to await; `grid.client.client` has the one that waits."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack
from uuid import uuid4

import httpx

from grid.client import calls
from grid.client.async_alerts import AsyncAlertRules, AsyncAlerts, AsyncIncidents, AsyncModes, AsyncSilences
from grid.client.async_engine import AsyncEngine
from grid.client.calls import API, Call, Id, Submission, require_success
from grid.client.events import Event, EventReader
from grid.client.fields import AsyncFields
from grid.client.outcomes import require_successful_job, require_successful_sweep
from grid.client.remote import unreachable
from grid.client.replays import AsyncReplays
from grid.client.sender import LONG, POINTS, STREAM, TIMEOUT, UNAUTHORIZED, TokenSource, no_token
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.jobs import JobStatus
from grid.schemas.wire import JobOut, SubmissionOut, SweepOut, SweepRow

if TYPE_CHECKING:
    from grid.client.frames import Frame

T = TypeVar("T")


class AsyncGridClient:
    """The same as `GridClient`, to await. Use it in an `async with` block, or `await aclose()`."""

    def __init__(
        self,
        address: str,
        token: TokenSource | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.address, self.context = address.rstrip("/"), context
        self._token = token or no_token
        self._http = httpx.AsyncClient(
            base_url=self.address,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
            verify=True if context is None else context,
        )

    @cached_property
    def engine(self) -> AsyncEngine:
        """Verbs of live runs."""
        return AsyncEngine(self)

    @cached_property
    def replays(self) -> AsyncReplays:
        """Verbs for replays and branches of live runs."""
        return AsyncReplays(self)

    @cached_property
    def fields(self) -> AsyncFields:
        """Verbs for the fields of finished jobs."""
        return AsyncFields(self)

    @cached_property
    def alerts(self) -> AsyncAlerts:
        """Verbs of alerts."""
        return AsyncAlerts(self)

    @cached_property
    def alert_rules(self) -> AsyncAlertRules:
        """Verbs of the alert rules that are kept."""
        return AsyncAlertRules(self)

    @cached_property
    def silences(self) -> AsyncSilences:
        """Verbs of silences."""
        return AsyncSilences(self)

    @cached_property
    def incidents(self) -> AsyncIncidents:
        """Verbs of incidents."""
        return AsyncIncidents(self)

    @cached_property
    def modes(self) -> AsyncModes:
        """Verbs of degraded modes."""
        return AsyncModes(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[T], *, timeout: httpx.Timeout = TIMEOUT) -> T:
        """Send a call of `grid.client.calls` and return its answer."""
        options = call.request_options()
        for renew in (False, True):
            headers = {**options["headers"], **({} if call.is_open else await self._authorization(renew=renew))}
            try:
                response = await self._http.request(
                    call.method, call.path, timeout=timeout, **{**options, "headers": headers}
                )
            except httpx.TransportError as error:
                raise unreachable(self.address, error) from error
            if response.status_code != UNAUTHORIZED or call.is_open:
                break
        return call.read(require_success(response))

    async def _authorization(self, *, renew: bool = False) -> dict[str, str]:
        token = await asyncio.to_thread(self._token, renew=renew)
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def submit(self, **submission: Unpack[Submission]) -> SubmissionOut:
        """Submit a job or a sweep (fields of `calls.submit`)."""
        submission.setdefault("idempotency_key", str(uuid4()))
        return await self.send(calls.submit(**submission), timeout=LONG)

    async def get_job(self, job_id: Id) -> JobOut:
        """Show one job."""
        return await self.send(calls.get_job(job_id))

    async def wait(self, job_id: Id, *, require_successful: bool = True) -> JobOut:
        """Wait until a job has ended; bound it with `asyncio.timeout`.

        Raises:
            JobUnsuccessfulError: It ended otherwise than with `success`, and `require_successful` is set.
        """
        pause = 0.02
        while True:
            job = await self.get_job(job_id)
            if JobStatus(job.status).is_terminal:
                return require_successful_job(job) if require_successful else job
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 1.5)

    async def wait_sweep(self, sweep_id: Id, *, require_successful: bool = True) -> SweepOut:
        """Wait until every point of a sweep has ended; bound it with `asyncio.timeout`.

        Raises:
            SweepUnsuccessfulError: A point ended otherwise than with `success`, and `require_successful` is set.
        """
        pause = 0.05
        while True:
            sweep = await self.send(calls.get_sweep(sweep_id))
            if sweep.is_finished:
                return require_successful_sweep(sweep) if require_successful else sweep
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 1.5)

    async def iterate_points(self, sweep_id: Id, *, status: Sequence[str] | None = None) -> AsyncIterator[SweepRow]:
        """Yield the points of a sweep in their order; only those in `status`."""
        after: int | None = None
        while True:
            found = await self.send(calls.sweep_table(sweep_id, after=after, limit=POINTS, status=status))
            for row in found.rows:
                yield row
            if (after := found.next) is None:
                return

    async def stream_logs(self, job_id: Id, *, last_event_id: str | None = None) -> AsyncIterator[Event]:
        """Yield the events of a job's log as they come, until the job has ended; resumes by itself."""
        async for event in self._stream(f"{API}/jobs/{job_id}/logs/stream", last_event_id):
            yield event

    async def follow_run(self, run: Id, *, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events of a live run; see `GridClient.follow_run`."""
        async for event in self._stream(f"{API}/engine/runs/{run}/events/stream", str(after)):
            yield event

    async def follow_metrics(self, run: Id, *, hz: float = 2.0, after: int | None = None) -> AsyncIterator[Event]:
        """Yield samples of a live run; see `GridClient.follow_metrics`."""
        last = None if after is None else str(after)
        async for event in self._stream(f"{API}/engine/runs/{run}/metrics/stream?hz={hz:g}", last):
            yield event

    async def frames(
        self, run: Id, request: FrameRequest | None = None, *, max_hz: float = 30.0
    ) -> AsyncIterator["Frame"]:
        """Yield frames of a live run as they come, decoded, until it has ended; see `grid.client.live_frames`.

        Args:
            run: The run.
            request: Which frames; default: the temperature, full resolution, zstd.
            max_hz: At most so many a second; a reader that takes longer for each gets fewer, never older ones.
        """
        from grid.client.live_frames import issue_ticket, stream_frames

        wanted = request or FrameRequest(codec="zstd")
        async for frame in stream_frames(
            self.address, lambda: self.send(issue_ticket()), run, wanted, max_hz=max_hz, context=self.context
        ):
            yield frame

    async def _stream(self, path: str, last_event_id: str | None) -> AsyncIterator[Event]:
        reader = EventReader(last_event_id)
        while not reader.is_over:
            headers = {**await self._authorization(), **reader.headers()}
            try:
                async with self._http.stream("GET", path, headers=headers, timeout=STREAM) as response:
                    if not response.is_success:
                        await response.aread()
                        require_success(response)
                    async for line in response.aiter_lines():
                        event = reader.feed(line)
                        if event is not None:
                            yield event
            except httpx.TransportError as error:
                raise unreachable(self.address, error) from error
            if not reader.is_over:
                await asyncio.sleep(reader.retry_s)
