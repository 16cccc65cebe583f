"""A live run of the service, over its REST routes and its one WebSocket; implements `MonitorSource`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from grid.cli.monitor.live_socket import FIRST_PAUSE_S, LONGEST_PAUSE_S, LiveSocket
from grid.cli.monitor.remote_calls import (
    acknowledge_alert,
    branch_run,
    get_alerts,
    get_grid,
    get_last_frame,
    issue_ticket,
    look_at_run,
    replay_run,
)
from grid.cli.monitor.remote_reading import (
    FIELDS,
    find_place,
    read_alert,
    read_happening,
    read_newest,
    read_run,
    read_sample,
)
from grid.cli.monitor.source import Alert, Answer, Happening, Json, Run, Status, Want
from grid.cli.monitor.streams import Streams
from grid.client.client import AsyncGridClient, find_credential
from grid.client.frames import FrameError, FrameHeader
from grid.core.errors import GridError, NotFoundError
from grid.core.settings import Settings
from grid.schemas.live import RUN_TERMINAL
from grid.schemas.wire.live import AcceptedOut, LiveRunOut

POLL_S: Final = 5.0  # between two looks at the run's row, its alerts and the degraded mode
SAMPLES_HZ: Final = 10.0
AGAIN_S: Final = 1.0  # after which a subscription that was not possible is tried again
NOT_FOUND: Final = 404  # HTTP status
COARSEST: Final = 2  # level of a picture
SHORT: Final = 13  # characters of an id by which a command finds a run
LEAST_SKEW_S: Final = 0.005  # below, the way there and back decides


class RemoteSource(Streams):
    """A run of the service.

    Args:
        client: Of the server.
        run: Id of the run.
        poll_s: Time between two looks at the run's row [s].
        pauses: First and longest pause before a lost link is tried again [s].
    """

    can_return: ClassVar[bool] = False

    def __init__(
        self,
        client: AsyncGridClient,
        run: UUID,
        *,
        poll_s: float = POLL_S,
        pauses: tuple[float, float] = (FIRST_PAUSE_S, LONGEST_PAUSE_S),
    ) -> None:
        super().__init__()
        self._client, self._id, self._poll_s = client, run, poll_s
        self._socket = LiveSocket(client.address, self._get_ticket, self, pauses=pauses, context=client.context)
        self._status, self._want = Status(), Want(None)
        self._frames_sub = self._events_sub = self._samples_sub = 0
        self._last_event, self._last_tick, self._epoch = 0, None, 0
        self._commands: dict[int, Json] = {}
        self._rules: dict[str, Mapping[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._look_now = asyncio.Event()

    _last_tick: int | None

    @classmethod
    def from_settings(cls, run: UUID, settings: Settings | None = None) -> Self:
        """The source of a run of the configured server."""
        credential = find_credential(settings or Settings())
        return cls(AsyncGridClient(credential.address, credential.access_token, context=credential.context), run)

    async def open(self) -> Run:
        """Find the run, and begin to listen.

        Raises:
            ProblemError: There is no such run.
            ServerUnreachableError: Nobody answers.
        """
        engine = self._client.engine
        row = await engine.show(self._id)
        rules = await self._try(engine.rules(row.id))
        commands = [command async for command in engine.commands(row.id)]
        self._commands = {one.seq: {"kind": str(one.kind), "payload": one.payload} for one in commands}
        self._rules = {} if rules is None else {str(rule["name"]): rule for rule in rules.rules}
        self._run = read_run(row, list(self._rules.values()))
        self._run = replace(self._run, proposal=find_place(self._commands.values()))
        self._take_row(row)
        newest = await self._try(engine.metrics(row.id))
        if newest is not None and (reading := read_newest(newest, time.time())) is not None:
            self._readings.put(reading)  # of a run that is paused no other will come
        if row.status in RUN_TERMINAL and (data := await self._try(self._client.send(get_last_frame(row.id)))):
            self._frames.put(data)  # of a run that has ended no other will come
        for task in (self._hold_link(), self._look()):
            self._start(task)
        return self._run

    async def close(self) -> None:
        """Stop listening; the run goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()
        self.end_streams()

    async def want(self, want: Want) -> None:
        """Ask the server for another field, level or rate; for no frames where none are shown."""
        self._want = want
        if self._frames_sub:
            await self._socket.send("unsub", id=self._frames_sub)
            self._frames_sub = 0
            self._tell(others=0)  # the next subscription tells them
        if want.field is not None and self._socket.is_open:
            self._frames_sub = await self._socket.subscribe(
                f"run:{self._run.id}:frames", field=want.field, level=want.level, max_hz=want.max_hz, codec="zstd"
            )

    async def frames(self) -> AsyncIterator[bytes]:
        """The newest frame; one counts as shown, and is acknowledged, when the next one is asked for."""
        async for data in self._frames:
            yield data
            if self._frames_sub:
                await self._socket.send("grant", id=self._frames_sub, seq=FrameHeader.unpack(data).frame)

    async def inject(self, event: Json) -> Answer:
        """Inject an event."""
        accepted = await self._client.engine.inject(self._run.id, event)
        return self._note(accepted, "event", event, f"{event['kind']} is accepted")

    async def choose_model(self, policy: str) -> Answer:
        """Choose the model."""
        accepted = await self._client.engine.model(self._run.id, policy)
        return self._note(accepted, "model", {"model": policy}, f"model {policy} is accepted")

    async def pause(self) -> Answer:
        """Pause the run."""
        return self._note(await self._client.engine.pause(self._run.id), "pause", {}, "pause is accepted")

    async def resume(self) -> Answer:
        """Let the run go on."""
        return self._note(await self._client.engine.resume(self._run.id), "resume", {}, "resume is accepted")

    async def step(self, ticks: int) -> Answer:
        """Advance a paused run."""
        accepted = await self._client.engine.step(self._run.id, ticks)
        return self._note(accepted, "step", {"ticks": ticks}, f"{ticks} ticks are accepted")

    async def set_speed(self, speed: float | None) -> Answer:
        """Change how fast the run goes."""
        wanted = "max" if speed is None else speed
        accepted = await self._client.engine.speed(self._run.id, wanted)  # type: ignore[arg-type]  # "max" is a Speed
        return self._note(accepted, "speed", {"speed": wanted}, "speed is accepted")

    async def acknowledge(self, alert: Alert) -> Answer:
        """Say that somebody has seen an alert."""
        await self._client.send(acknowledge_alert(alert.id))
        self._look_now.set()
        return Answer(f"{alert.rule} is acknowledged")

    async def branch(self) -> Answer:
        """Begin another run at the present tick; this one is watched on."""
        branched = await self._client.send(branch_run(self._run.id, self._status.tick))
        return Answer(f"Run {branched} branches off here; `grid monitor {branched[:SHORT]}` watches it")

    async def replay(self) -> Answer:
        """Submit a replay of the log; the job says whether the bytes are the same."""
        job = await self._client.send(replay_run(self._run.id))
        return Answer(f"Job {job} replays the log; `grid jobs watch` with its id shows the verdict")

    # What the socket tells.

    def on_open(self) -> None:
        """Subscribe, behind what is known."""
        self._frames_sub = 0
        self._start(self._subscribe())

    def on_lost(self, reason: str) -> None:
        """Say that the link is lost; the last picture stays."""
        self._frames_sub = self._events_sub = self._samples_sub = 0
        if self._status.link != "over":
            self._tell(link="lost", reason=reason, others=0)

    def on_skew(self, seconds: float) -> None:
        """Take the difference of the clocks."""
        if abs(seconds - self._status.skew_s) > LEAST_SKEW_S:
            self._tell(skew_s=seconds)

    def on_frame(self, data: bytes) -> None:
        """Take a frame of this run and of what is wanted; one of an older owner is dropped."""
        try:
            header = FrameHeader.unpack(data)
        except FrameError:
            return
        if header.run == self._id.bytes[:8] and header.epoch >= self._epoch:
            self._epoch = header.epoch
            self._frames.put(data)

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Take an event, a sample, a notice or the end of a subscription."""
        kind, sub = message.get("type"), message.get("sub")
        data = message.get("data")
        if kind == "event" and isinstance(data, Mapping):
            if sub == self._events_sub:
                self._take_event(data)
            elif sub == self._samples_sub:
                self._take_sample(data)
        elif kind == "gap":
            self._happenings.put(Happening(self._status.tick, "gap", {"events": "some"}))
            if sub == self._events_sub:  # it is over: ask again behind the last that is known
                self._start(self._subscribe_events())
        elif kind == "notice":
            self._take_notice(message)
        elif kind == "end":
            self._take_end(message)

    def _take_event(self, data: Mapping[str, Any]) -> None:
        self._last_event = max(self._last_event, int(data.get("n", 0)))
        happening = read_happening(data, self._commands)
        if happening.kind == "alert" and "suspended" in (happening.payload.get("from"), happening.payload.get("to")):
            return  # of every rule, at each pause: the run's own state tells it
        seq = happening.payload.get("seq")
        if happening.command is None and isinstance(seq, int):
            self._start(self._complete(happening, seq))
        else:
            self._happenings.put(happening)
        if happening.kind in ("state", "alert", "incident", "mode", "resumed"):
            self._look_now.set()

    async def _complete(self, happening: Happening, seq: int) -> None:
        """Tell an event with the command of somebody else that it is about."""
        row = await self._try(self._client.engine.command(self._run.id, seq))
        if row is not None:
            self._commands[seq] = {"kind": str(row.kind), "payload": row.payload}
        self._happenings.put(replace(happening, command=self._commands.get(seq)))

    def _take_sample(self, data: Mapping[str, Any]) -> None:
        reading = read_sample(data, time.time() + self._status.skew_s)
        self._last_tick = reading.tick
        self._readings.put(reading)
        if len(self._run.fields) == 1 and reading.last.get("peak_stress") is not None:
            self._run = replace(self._run, fields=FIELDS)  # a scene with a structure has the others as well
            self._runs.put(self._run)
        self._tell(tick=max(reading.tick, self._status.tick))

    def _take_notice(self, message: Mapping[str, Any]) -> None:
        kind, run = str(message.get("kind")), message.get("run")
        if isinstance(run, Mapping) and run.get("status"):
            self._tell(state=str(run["status"]), reason=str(run.get("message") or ""))
        if kind == "viewers":
            self._tell(others=int(message.get("others") or 0))
        elif kind == "slow":
            told = {name: message[name] for name in ("level", "max_hz", "skipped") if name in message}
            self._happenings.put(Happening(self._status.tick, "slow", told))
        elif kind == "expired":
            self._tell(reason="The session ends; log in again with `grid auth login`")

    def _take_end(self, message: Mapping[str, Any]) -> None:
        reason, run = str(message.get("reason")), message.get("run")
        if reason == "not-found":
            self._tell(link="over", reason="The run is not there any more.")
        elif reason == "expired":
            self._tell(link="lost", reason="The session has ended; log in again with `grid auth login`")
        elif reason == "unavailable":
            self._start(self._subscribe_again())
        elif isinstance(run, Mapping) and run.get("status"):
            self._tell(state=str(run["status"]), link="over", reason=str(run.get("message") or "The run has ended."))
        else:  # invalid, or too many streams or subscriptions
            told = str(message.get("detail") or reason)
            self._happenings.put(Happening(self._status.tick, "not-shown", {"reason": told}))

    # Behind it all.

    async def _hold_link(self) -> None:
        try:
            await self._socket.run()
        except NotFoundError as error:
            self._tell(link="over", reason=str(error))

    async def _subscribe(self) -> None:
        if self._status.link == "lost":
            self._tell(link="live", reason="")
        await self._subscribe_events()
        more = {} if self._last_tick is None else {"after": self._last_tick}
        self._samples_sub = await self._socket.subscribe(f"run:{self._run.id}:metrics", max_hz=SAMPLES_HZ, **more)
        await self.want(self._want)
        self._look_now.set()

    async def _subscribe_again(self) -> None:
        """Ask again for everything after a moment."""
        await asyncio.sleep(AGAIN_S)
        for sub in (self._events_sub, self._samples_sub):
            await self._socket.send("unsub", id=sub)
        await self._subscribe()

    async def _subscribe_events(self) -> None:
        self._events_sub = await self._socket.subscribe(f"run:{self._run.id}:events", after=self._last_event)

    async def _look(self) -> None:
        """Look at the run's row, its alerts and the degraded mode now and then, and when there is a reason."""
        while True:
            try:
                row, mode = await self._client.send(look_at_run(self._run.id))
                self._take_row(row)
                self._tell(mode=mode)
            except GridError as error:
                if getattr(error, "status", None) == NOT_FOUND:
                    self._tell(link="over", reason="The run is not there any more.")
                elif not self._socket.is_open:
                    self.on_lost(str(error))
            found = await self._try(self._client.send(get_alerts(self._run.id)))
            if found is not None:
                self._alerts.put(tuple(read_alert(one, self._rules) for one in found.items))
            if not self._run.size:
                await self._learn_grid()
            self._look_now.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._look_now.wait()

    async def _learn_grid(self) -> None:
        """Take place and size of the body from a picture: as many cells as the service gives, else fewer."""
        for level in (0, COARSEST):
            found = await self._try(self._client.send(get_grid(self._run.id, level)))
            if found is not None:
                self._run = replace(
                    self._run, cells=self._run.cells or found.cells, origin=found.origin, size=found.size
                )
                self._runs.put(self._run)
                return

    def _take_row(self, row: LiveRunOut) -> None:
        """Take what the row says; while data come by the socket, those are newer."""
        is_over = row.status in RUN_TERMINAL
        changes: dict[str, Any] = {"link": "over", "reason": row.message} if is_over else {}
        tick = max(row.tick, self._status.tick)
        self._tell(state=str(row.status), speed=row.speed, model=str(row.model), tick=tick, **changes)

    def _note(self, accepted: AcceptedOut, kind: str, payload: Json, text: str) -> Answer:
        self._commands[accepted.seq] = {"kind": kind, "payload": payload}
        self._look_now.set()
        return Answer(f"{text} as #{accepted.seq}", accepted.seq)

    async def _get_ticket(self) -> str:
        return await self._client.send(issue_ticket())

    async def _try(self, call: Coroutine[Any, Any, Any]) -> Any:
        """The answer of a call that the monitor can do without; None where the server has no such route, or is away."""
        try:
            return await call
        except (GridError, KeyError, TypeError, ValueError):  # refused, or not what it should be
            return None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, **changes: Any) -> None:
        changed = replace(self._status, **changes)
        if changed != self._status:
            self._status = changed
            self._statuses.put(changed)
