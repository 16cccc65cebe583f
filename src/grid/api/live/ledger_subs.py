"""Subscriptions to jobs and sweeps of the ledger and to the state of the service by the WebSocket."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from grid.api.live.ledger_tailer import AGAIN_S, LedgerTailer, SystemTailer
from grid.api.live.replies import SubId, reply
from grid.core.errors import UnavailableError
from grid.database.job_queries import JobMove
from grid.database.sweeps import SweepRecord
from grid.schemas.jobs import TERMINAL, JobStatus, JsonObject
from grid.services.ledger_news import MOST_POINTS, Interest, LedgerNews, SweepNews
from grid.services.system_news import SystemNews

JOBS_S: Final = 0.25  # [s] between two messages of a subscription to jobs
SWEEP_S: Final = 0.5  # [s] between two messages of a subscription to a sweep, each of which counts its points
MOST_JOBS: Final = 100  # that a message names, and as many sweeps
Key = TypeVar("Key")
ReadSweep = Callable[[UUID, int | None], SweepNews | None]


class JobsSub:
    """Jobs and sweeps of one owner, or of all, as they change: ids and states, four messages a second at most.

    Args:
        sub_id: The viewer's own name of it.
        tailer: Reads the ledger.
        owner_id: Whose; None: everybody's.
        after: Number of the last event that the viewer knows; None: from now on.
        wake: Called when there may be something to send.
    """

    def __init__(
        self, sub_id: SubId, tailer: LedgerTailer, owner_id: UUID | None, after: int | None, wake: Callable[[], None]
    ) -> None:
        self.id, self.is_over = sub_id, False
        self.interest = Interest(None if owner_id is None else frozenset([owner_id]))
        self._tailer, self._owner_id, self._wake = tailer, owner_id, wake
        self._texts: deque[str] = deque()
        self._jobs: dict[UUID, JobMove] = {}
        self._sweeps: dict[UUID, SweepRecord] = {}
        self._place, self._told = 0, -1
        self._has_more, self._is_ready, self._due = False, False, -math.inf
        self._start = asyncio.get_running_loop().create_task(self._follow(after), name="jobs-past")

    def next(self, now: float) -> str | None:
        """The next message: what has changed since the last, merged."""
        if self._texts:
            return self._texts.popleft()
        if not self._is_waiting or now < self._due:
            return None
        self._due, self._told = now + JOBS_S, self._place
        jobs, sweeps = list(self._jobs.values()), list(self._sweeps.values())
        has_more = self._has_more or len(jobs) > MOST_JOBS or len(sweeps) > MOST_JOBS
        self._jobs, self._sweeps, self._has_more = {}, {}, False
        data = {
            "jobs": [describe_move(job) for job in jobs[-MOST_JOBS:]],
            "sweeps": [_describe_sweep(sweep) for sweep in sweeps[-MOST_JOBS:]],
            "more": has_more,
        }
        return reply("event", sub=self.id, id=self._told, data=data)

    def wait(self, now: float) -> float:
        """Longest time after which there may be something to send without a call [s]."""
        return max(0.0, self._due - now) if self._is_waiting else math.inf

    def close(self) -> None:
        """Follow no more; twice is harmless."""
        self._start.cancel()
        self._tailer.leave(self)

    def on_news(self, news: LedgerNews) -> None:
        """Take what is the owner's."""
        if news.has_gap:
            self._texts.append(reply("gap", sub=self.id, after=news.after, next=news.last))
        for job in news.jobs:
            if self._owner_id in {None, job.owner_id}:
                _put_last(self._jobs, job.id, job)
        for sweep in news.sweeps:
            if self._owner_id in {None, sweep.owner_id}:
                self._sweeps[sweep.id] = sweep
        is_crowd = bool(news.crowds) if self._owner_id is None else self._owner_id in news.crowds
        self._has_more = self._has_more or is_crowd
        self._place = max(self._place, news.last)
        self._wake()

    @property
    def _is_waiting(self) -> bool:
        has_news = bool(self._jobs or self._sweeps or self._has_more)
        return self._is_ready and (has_news or self._told < 0)

    async def _follow(self, after: int | None) -> None:
        """Follow from now on, and read what lies between the last that the viewer knows and now."""
        start = await self._tailer.join(self)
        place = start if after is None else after
        is_there = place == start
        while not is_there:
            try:
                news = await run_in_threadpool(self._tailer.read, place, self.interest)
            except UnavailableError:
                await asyncio.sleep(AGAIN_S)
                continue
            self.on_news(news)
            place = news.last
            is_there = place >= start
        self._place = max(self._place, start)
        self._is_ready = True
        self._wake()


class SweepSub:
    """One sweep: its counts, and the points that changed, two messages a second at most.

    Args:
        sub_id: The viewer's own name of it.
        tailer: Reads the ledger.
        read: Reads the sweep behind a version; called in a thread.
        sweep_id: The sweep.
        after: The last version that the viewer knows; None: its state first.
        wake: Called when there may be something to send.
    """

    def __init__(
        self, sub_id: SubId, tailer: LedgerTailer, read: ReadSweep, sweep_id: UUID, after: int | None,
        wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self.id, self.is_over = sub_id, False
        self.interest = Interest(sweeps=frozenset([sweep_id]))
        self._tailer, self._read, self._sweep_id, self._wake = tailer, read, sweep_id, wake
        self._news: SweepNews | None = None
        self._version = -1
        self._points: dict[int, JobMove] = {}
        self._has_more, self._is_ready, self._is_gone, self._is_told = False, False, False, True
        self._due = -math.inf
        self._start = asyncio.get_running_loop().create_task(self._follow(after), name="sweep-past")

    def next(self, now: float) -> str | None:
        """The next message: the counts, and the points that changed since the last."""
        if not self._is_ready:
            return None
        if self._is_gone:
            self.is_over = True
            return reply("end", sub=self.id, reason="not-found")
        news = self._news
        if news is None:
            return None
        if not self._is_told and now >= self._due:
            self._due, self._is_told = now + SWEEP_S, True
            points, has_more = list(self._points.values()), self._has_more
            self._points, self._has_more = {}, False
            has_more = has_more or len(points) > MOST_POINTS
            data = {
                **describe_counts(news), "points": [_describe_point(point) for point in points[-MOST_POINTS:]],
                "more": has_more,
            }  # fmt: skip
            return reply("event", sub=self.id, id=self._version, data=data)
        if self._is_told and news.is_final:
            self.is_over = True
            return reply("end", sub=self.id, reason="finished", sweep=describe_counts(news))
        return None

    def wait(self, now: float) -> float:
        """Longest time after which there may be something to send without a call [s]."""
        return math.inf if self._is_told or not self._is_ready else max(0.0, self._due - now)

    def close(self) -> None:
        """Follow no more; twice is harmless."""
        self._start.cancel()
        self._tailer.leave(self)

    def on_news(self, news: LedgerNews) -> None:
        """Take what is about the sweep."""
        found = news.followed.get(self._sweep_id)
        if found is not None:
            self._take(found)

    def _take(self, news: SweepNews) -> None:
        if (
            self._news is not None
            and not news.points
            and news.version == self._version
            and news.state == self._news.state
        ):
            return  # read twice: by the past, and by the tailer
        if news.version >= self._version:  # else it was read before what is known
            self._news, self._version = news, news.version
        self._is_told = False
        self._has_more = self._has_more or not news.is_complete
        for point in news.points:
            _put_last(self._points, point.sweep_index or 0, point)
        self._wake()

    async def _follow(self, after: int | None) -> None:
        """Follow from now on, and read the present state with what the viewer does not know of it."""
        await self._tailer.join(self)
        while True:
            try:
                news = await run_in_threadpool(self._read, self._sweep_id, after)
                break
            except UnavailableError:
                await asyncio.sleep(AGAIN_S)
        if news is None:
            self._is_gone = True
        else:
            self._take(news)
        self._is_ready = True
        self._wake()


class SystemSub:
    """The state of the service, when it changes.

    Args:
        sub_id: The viewer's own name of it.
        tailer: Reads it.
        owner_id: Whose jobs and alerts are counted; None: everybody's.
        wake: Called when there may be something to send.
    """

    def __init__(self, sub_id: SubId, tailer: SystemTailer, owner_id: UUID | None, wake: Callable[[], None]) -> None:
        self.id, self.is_over, self.owner_id = sub_id, False, owner_id
        self._tailer, self._wake = tailer, wake
        self._shown: JsonObject | None = None
        self._waiting: JsonObject | None = None
        tailer.join(self)

    def next(self, now: float) -> str | None:  # noqa: ARG002 - as every subscription
        """The next message."""
        if self._waiting is None:
            return None
        self._shown, self._waiting = self._waiting, None
        return reply("event", sub=self.id, id=round(time.time() * 1e3), data=self._shown)

    def wait(self, now: float) -> float:  # noqa: ARG002
        """Longest time after which there may be something to send without a call [s]."""
        return math.inf

    def close(self) -> None:
        """Follow no more; twice is harmless."""
        self._tailer.leave(self)

    def on_system(self, news: SystemNews) -> None:
        """Take the state, where it is another one."""
        document = describe_system(news, self.owner_id)
        if document != self._shown:
            self._waiting = document
            self._wake()


def describe_move(job: JobMove) -> JsonObject:
    """A job as a list of changes names it."""
    return {
        "id": str(job.id),
        "status": job.state.value,
        "reason": None if job.reason is None else job.reason.value,
        "version": job.version,
        "sweep": None if job.sweep_id is None else str(job.sweep_id),
    }


def describe_counts(news: SweepNews) -> JsonObject:
    """The counts of a sweep."""
    record = news.state.record
    by_state: Mapping[JobStatus, int] = news.state.by_state
    return {
        "id": str(record.id),
        "total": record.total,
        "ended": news.state.ended,
        "counts": {state.value: by_state.get(state, 0) for state in JobStatus},
        "finished_at": None if record.finished_at is None else record.finished_at.isoformat(),
    }


def describe_system(news: SystemNews, owner_id: UUID | None) -> JsonObject:
    """The state of the service, with the numbers of an owner (None: of everybody)."""
    own = news.own.get(owner_id)
    modes: list[dict[str, Any]] = [
        {"part": mode.part, "rung": mode.rung, "reason": mode.reason, "since": mode.since.isoformat()}
        for mode in news.modes
        if mode.rung
    ]
    return {
        "mode": news.mode,
        "modes": modes,
        "workers": news.workers,
        "queue": None if own is None else {"waiting": own.waiting, "running": own.running},
        "alerts": None if own is None else dict(own.alerts),
    }


def _put_last(moves: dict[Key, JobMove], key: Key, move: JobMove) -> None:
    """Keep a move, unless a newer one of the job is known; the newest come last."""
    known = moves.pop(key, None)
    moves[key] = move if known is None or move.version >= known.version else known


def _describe_sweep(sweep: SweepRecord) -> JsonObject:
    ended = sum(int(getattr(sweep, state.value)) for state in TERMINAL)
    return {"id": str(sweep.id), "version": sweep.version, "total": sweep.total, "ended": ended}


def _describe_point(point: JobMove) -> JsonObject:
    reason = None if point.reason is None else point.reason.value
    return {"index": point.sweep_index, "id": str(point.id), "status": point.state.value, "reason": reason}
