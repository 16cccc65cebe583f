"""Subscriptions of a socket: made where the viewer may see what it asks for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from grid.api.live import requests
from grid.api.live.frame_sub import FrameSub
from grid.api.live.hub import LiveHub
from grid.api.live.job_sub import JobSub
from grid.api.live.ledger_subs import JobsSub, SweepSub, SystemSub
from grid.api.live.ledger_tailer import LedgerTailer, SystemTailer
from grid.api.live.replies import SubId
from grid.api.live.text_subs import EventSub, SampleSub
from grid.api.streams import JobStreams
from grid.core.errors import FieldError
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import UnitOfWork
from grid.services import jobs, live, sweeps
from grid.services.ledger_news import read_sweep_news
from grid.services.sessions import Principal


class Sub(Protocol):
    """A subscription."""

    id: SubId
    is_over: bool  # nothing follows

    def next(self, now: float) -> str | bytes | None:
        """The next message, if one is due."""
        ...

    def wait(self, now: float) -> float:
        """Longest time after which one may be due without a call [s]."""
        ...

    def close(self) -> None:
        """Follow no more."""
        ...


@dataclass(frozen=True)
class Wanted:
    """What a viewer asks for.

    Args:
        sub_id: Its own name of the subscription.
        message: The message `sub`.
        resume: Last ids of topics that its `hello` named.
        principal: Who it is.
    """

    sub_id: SubId
    message: Mapping[str, Any]
    resume: Mapping[str, int | str]
    principal: Principal

    @property
    def owner_id(self) -> UUID | None:
        """Whose things it may see: its own, or (None) anybody's for an administrator who says so."""
        is_everybodys = self.message.get("all") is True and self.principal.is_administrator
        return None if is_everybodys else self.principal.id

    @property
    def after(self) -> int | None:
        """The last number that the viewer knows.

        Raises:
            FieldError: It is none.
        """
        after = requests.read_number(self.message, "after")
        last = self.resume.get(str(self.message["topic"]))
        return last if after is None and isinstance(last, int) else after

    @property
    def after_event(self) -> str | None:
        """The id of the last event of a job that the viewer knows.

        Raises:
            FieldError: It is none.
        """
        after = requests.read_event_id(self.message, "after")
        last = self.resume.get(str(self.message["topic"]))
        return last if after is None and isinstance(last, str) else after


@dataclass(frozen=True)
class SubMaker:
    """Makes subscriptions, of whatever is followed by this process.

    Args:
        uow: Where runs, jobs and sweeps are.
        hub: All runs that are looked at.
        streams: All jobs that are followed.
        ledger: Reads what has changed of jobs and sweeps.
        system: Reads the state of the service.
    """

    uow: UnitOfWork
    hub: LiveHub
    streams: JobStreams
    ledger: LedgerTailer
    system: SystemTailer

    async def make(self, wanted: Wanted, subs: Iterable[Sub], wake: Callable[[], None], socket: object = None) -> Sub:
        """Make a subscription.

        Args:
            wanted: What is asked for.
            subs: The others of the socket.
            wake: Called when there may be something to send.
            socket: Of the viewer.

        Raises:
            FieldError: The topic, or what is asked of it, is outside its limits.
            NotFoundError: There is no such run, job or sweep for this viewer.
            UnavailableError: The database does not answer.
        """
        topic, owner_id = requests.read_topic(wanted.message), wanted.owner_id
        if topic.kind == "system":
            return SystemSub(wanted.sub_id, self.system, owner_id, wake)
        if topic.kind == "jobs":
            return JobsSub(wanted.sub_id, self.ledger, owner_id, wanted.after, wake)
        assert topic.subject_id is not None  # noqa: S101 - every other topic has one
        subject_id = topic.subject_id
        if topic.kind == "job":
            after = wanted.after_event
            await run_in_threadpool(jobs.get_job, self.uow, owner_id=owner_id, job_id=subject_id)
            return JobSub(wanted.sub_id, self.streams, subject_id, after, wake)
        if topic.kind == "sweep":
            version = wanted.after
            await run_in_threadpool(sweeps.get_sweep, self.uow, owner_id=owner_id, sweep_id=subject_id)
            read = partial(read_sweep_news, self.uow)
            return SweepSub(wanted.sub_id, self.ledger, read, subject_id, version, wake)
        run, _ = await run_in_threadpool(live.get_run, self.uow, owner_id=owner_id, run_id=subject_id)
        return self._make_of_run(wanted, topic.kind, run, subs, wake, socket)

    def _make_of_run(
        self, wanted: Wanted, kind: requests.TopicKind, run: LiveRunRecord, subs: Iterable[Sub],
        wake: Callable[[], None], socket: object,
    ) -> Sub:  # fmt: skip
        after = wanted.after
        if kind == "frames":
            request, max_hz = requests.read_frames(wanted.message)
            frames = (sub for sub in subs if isinstance(sub, FrameSub))
            if any(sub.run_id == run.id and sub.request.field == request.field for sub in frames):
                raise FieldError("field", "one that no other subscription to frames of the run has")
            shown = self.hub.hold(run.id, run.tick_s)
            return FrameSub(wanted.sub_id, shown, self.hub.tailer, request, max_hz, wake, socket=socket)
        hz = requests.read_samples_rate(wanted.message) if kind == "metrics" else 0.0
        shown = self.hub.hold(run.id, run.tick_s)
        if kind == "metrics":
            return SampleSub(wanted.sub_id, shown, self.hub, hz, after, wake)
        return EventSub(wanted.sub_id, shown, self.hub, after or 0, wake)
