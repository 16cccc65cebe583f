"""A live run in this process, for `grid monitor --scenario`: no service, no database, the same loop and bytes.

The run has a thread of its own. Its loop is that of the service (`grid.runtime.live.loop`), with a pipe that ends here:
a command's tick counts as stored as soon as it is chosen, and frames are made between two ticks when one is wanted.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast
from uuid import uuid4

from pydantic import BaseModel

from grid.cli.monitor.local_alerts import LocalAlerts
from grid.cli.monitor.source import Answer, Happening, Json, NotOfferedError, Reading, Run, Status, Want
from grid.cli.monitor.streams import Streams
from grid.core.errors import ConflictError, FieldError, GridError
from grid.engine.live.changes import find_start
from grid.engine.live.clock import Clock, plan_clock
from grid.engine.live.events_json import read_event
from grid.engine.live.fidelity_limits import POLICIES
from grid.engine.live.rule_definition import Rule
from grid.engine.live.scene import Scene
from grid.engine.live.session import FIELDS, FieldName, Session, replay
from grid.runtime.live.frames import FrameEncoder, Stamp
from grid.runtime.live.loop import LiveLoop
from grid.runtime.live.messages import (
    Committed,
    Control,
    LiveCommand,
    LiveEvent,
    Looked,
    Propose,
    Proposed,
    RunEnded,
    RunStarted,
    Sample,
    Saved,
    StartRun,
)
from grid.runtime.live.pacing import MAX_STEPS, SPEED_LIMITS
from grid.schemas.frames import FrameFlag
from grid.schemas.scenarios import Scenario

UNITS = {"degC": "°C", "K": "K", "relative": ""}
END_S = 5.0  # [s] for a thread to come to its end
Hear = Callable[["LocalRun", object], None]


@dataclass(frozen=True)
class Frames:
    """Message with a frame."""

    data: bytes


@dataclass(frozen=True)
class Broken:
    """Message that the run cannot go on."""

    reason: str


class LocalRun:
    """A run in a thread, and the pipe that its loop speaks into.

    Args:
        start: What to run.
        hear: Called in the thread with every message of the loop, with `Frames` and `Broken`.
        run: First 8 bytes of the run's id.
    """

    def __init__(self, start: StartRun, hear: Hear, run: bytes) -> None:
        self._start, self._hear, self._run = start, hear, run
        self._inbox = queue.SimpleQueue[object | None]()
        self._want, self._encoder = Want(None), FrameEncoder("temperature")
        self._shown: tuple[Want, int, bool] | None = None
        self._shown_at = 0.0
        self._loop: LiveLoop | None = None
        self._thread = threading.Thread(target=self._work, name="grid-monitor-run", daemon=True)
        self._thread.start()

    def put(self, message: object | None) -> None:
        """Send a message to the loop; None only wakes it."""
        self._inbox.put(message)

    def want(self, want: Want) -> None:
        """Say what frames are to be made."""
        self._want = want
        self.put(None)

    def end(self) -> None:
        """Stop the run, and wait for its thread."""
        self.put(Control(LiveCommand(0, "stop", {})))
        self._thread.join(END_S)

    def receive(self, timeout: float) -> object | None:
        """The next message to the loop; None if none comes in time, or where the loop is only woken."""
        self._show()
        try:
            return self._inbox.get(timeout=timeout) if timeout > 0.0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def send(self, message: object) -> None:
        """Take a message of the loop."""
        if isinstance(message, Proposed):
            self.put(Committed(tuple(message.ticks)))  # there is no database to wait for
        else:
            self._hear(self, message)

    def _work(self) -> None:
        try:
            self._loop = LiveLoop(self._start, self)
            self._loop.run()
        except Exception as error:  # noqa: BLE001 - the reader of the thread would wait for ever
            self._hear(self, Broken(str(error) if isinstance(error, GridError) else f"{type(error).__name__}: {error}"))

    def _show(self) -> None:
        """Make a frame between two ticks, if it is wanted and shows something new."""
        want, loop, now = self._want, self._loop, time.monotonic()
        if want.field is None or loop is None or now - self._shown_at < 1.0 / want.max_hz:
            return
        session, is_paused = loop.session, loop.pace.is_paused
        if self._shown == (want, session.tick, is_paused):
            return
        self._shown, self._shown_at = (want, session.tick, is_paused), now
        name = cast("FieldName", want.field)
        if (self._encoder.name, self._encoder.level) != (name, want.level):
            self._encoder = FrameEncoder(name, want.level)
        flags = FrameFlag.LUMPED if session.summary.model == "lumped" else FrameFlag(0)
        flags |= FrameFlag.PAUSED if is_paused else FrameFlag(0)
        flags |= FrameFlag.ESTIMATE if name in ("stress", "utilisation") else FrameFlag(0)
        stamp = Stamp(session.tick, session.time, 1, int(time.time() * 1000.0), self._run, int(flags))
        self._hear(self, Frames(self._encoder.quantise(session.field(name), stamp).pack("none")))


class LocalSource(Streams):
    """A scenario that runs in this process; implements `MonitorSource`.

    Args:
        scenario: Which.
        params: Of its model.
        cells: Along each axis that it lets refine.
        speed: Factor on its rate, or `max`.
        is_paused: Whether it waits before its first tick.

    Raises:
        FieldError: The scenario has no such grid, or the speed is outside its limits.
    """

    can_return: ClassVar[bool] = True

    def __init__(
        self,
        scenario: Scenario,
        params: BaseModel,
        cells: tuple[int, ...],
        *,
        speed: float | Literal["max"] = 1.0,
        is_paused: bool = False,
    ) -> None:
        super().__init__()
        low, high = SPEED_LIMITS
        if speed != "max" and not low <= speed <= high:
            raise FieldError("speed", f"{low:g} to {high:g}, or max")
        raw, timing = scenario.scene(params, cells), scenario.timing(params)
        self._scene: Scene = Scene.from_json(raw)
        self._clock: Clock = plan_clock(self._scene, timing.tick_s)
        rules = tuple(scenario.rules(params))
        log = tuple(
            LiveCommand(seq, "event", one["event"], find_start(one["at_s"], 0, self._clock), one["at_s"])
            for seq, one in enumerate(scenario.events(params), start=1)
        )
        self._start = StartRun(
            raw, repr(timing.tick_s), timing.rate, speed, log=log, is_paused=is_paused, rules=rules
        )  # fmt: skip
        self._seq = len(log)
        self._commands: dict[int, Json] = {one.seq: {"kind": one.kind, "payload": one.payload} for one in log}
        self._rules = [Rule.from_json(rule) for rule in rules]
        self._id, self._want = uuid4(), Want(None)
        domain = self._scene.problem.domain
        thresholds: dict[str, float] = {}
        for rule in self._rules:
            thresholds[rule.metric] = min(rule.raise_at, thresholds.get(rule.metric, rule.raise_at))
        self._run = Run(
            str(self._id), scenario.name, scenario.name, timing.tick_s, timing.rate, self._clock.method,
            UNITS[self._scene.problem.temperature_unit], domain.cells, domain.origin, domain.size,
            FIELDS if self._scene.structure is not None else ("temperature",), thresholds,
        )  # fmt: skip
        self._status = Status("starting", None if speed == "max" else speed, tick=0)
        self._alerts_now = LocalAlerts(self._rules)
        self._tick = 0
        self._trunk: LocalRun | None = None
        self._saved: asyncio.Future[Saved] | None = None

    async def open(self) -> Run:
        """Start the run."""
        self._events = asyncio.get_running_loop()
        self._current = LocalRun(self._start, self._post, self._id.bytes[:8])
        self._alerts.put(self._alerts_now.listed)
        return self._run

    async def close(self) -> None:
        """End the run."""
        for run in (self._current, self._trunk):
            if run is not None:
                await asyncio.to_thread(run.end)
        self.end_streams()

    async def want(self, want: Want) -> None:
        """Say what is to be shown."""
        if want.field is not None and want.field not in self._run.fields:
            raise FieldError("field", f"one of {', '.join(self._run.fields)}")
        self._want = want
        self._current.want(want)

    async def inject(self, event: Json) -> Answer:
        """Inject an event at the next boundary."""
        read_event(event, self._scene)
        return self._propose("event", event, f"{event['kind']} is sent")

    async def choose_model(self, policy: str) -> Answer:
        """Choose the model."""
        if policy not in POLICIES:
            raise FieldError("model", f"one of {', '.join(POLICIES)}")
        return self._propose("model", {"model": policy}, f"model {policy} is sent")

    async def pause(self) -> Answer:
        """Pause the run."""
        return self._control("pause", {}, "pause is sent")

    async def resume(self) -> Answer:
        """Let the run go on."""
        return self._control("resume", {}, "resume is sent")

    async def step(self, ticks: int) -> Answer:
        """Advance a paused run by so many ticks."""
        if not 1 <= ticks <= MAX_STEPS:
            raise FieldError("ticks", f"1 to {MAX_STEPS}")
        if self._status.state != "paused":
            raise ConflictError("Only a paused run can be stepped; pause it first")
        return self._control("step", {"ticks": ticks}, f"{ticks} ticks are sent")

    async def set_speed(self, speed: float | None) -> Answer:
        """Change how fast the run goes."""
        low, high = SPEED_LIMITS
        if speed is not None and not low <= speed <= high:
            raise FieldError("speed", f"{low:g} to {high:g}, or max")
        return self._control("speed", {"speed": "max" if speed is None else speed}, "speed is sent")

    async def acknowledge(self, alert: Any) -> Answer:
        """Say that somebody has seen an alert; it is known to this process alone."""
        self._alerts_now.acknowledge(alert.id)
        self._alerts.put(self._alerts_now.listed)
        return Answer(f"{alert.rule} is acknowledged")

    async def branch(self) -> Answer:
        """Pause the run and go on with a copy of it; of a branch: drop it and return to the run that it left."""
        if self._trunk is not None:
            branch, trunk = self._current, self._trunk
            self._trunk = None
            self._take_over(trunk, self._run, is_paused=True)  # first, or the end of the branch were told as the run's
            await asyncio.to_thread(branch.end)
            return Answer("The branch is dropped; the run waits where it was left. Resume it with p")
        saved = await self._save()
        self._trunk = self._current
        self._trunk.want(Want(None))
        self._trunk.put(Control(self._number("pause", {})))
        start = replace(self._start, saved=saved.data, log=(), is_paused=False, speed=self._status.speed or "max")
        branch = LocalRun(start, self._post, self._id.bytes[:8])
        self._take_over(branch, replace(self._run, name=f"{self._run.name} branch@{saved.tick:,}"), is_paused=False)
        return Answer(f"A branch goes on from tick {saved.tick:,}; the run that it left is paused there")

    async def replay(self) -> Answer:
        """Run the log again in this process and compare the field's bytes."""
        saved = await self._save()

        def compare() -> Answer:
            held = Session.load(saved.data, self._scene, self._clock)
            again = replay(self._scene, self._clock, held.commands, held.tick, rules=self._rules)
            same, told = held.hash() == again.hash(), f"{len(held.commands)} commands, {held.tick:,} ticks"
            return Answer(f"Replay {'identical' if same else 'DIFFERENT'}: {told}, field {again.hash()[:12]}")

        return await asyncio.to_thread(compare)

    def _take_over(self, run: LocalRun, shown: Run, *, is_paused: bool) -> None:
        """Show another run of this process."""
        self._current = run
        self._runs.put(shown)
        self._tell(state="paused" if is_paused else "running")
        run.want(self._want)

    async def _save(self) -> Saved:
        """The state at the next boundary."""
        if self._status.link == "over":
            raise NotOfferedError("The run has ended")
        if self._saved is None or self._saved.done():
            self._saved = self._events.create_future()
            self._current.put(Control(self._number("checkpoint", {})))
        return await asyncio.shield(self._saved)

    def _number(self, kind: str, payload: Json) -> LiveCommand:
        """A command with the next number, remembered for the events about it."""
        self._seq += 1
        self._commands[self._seq] = {"kind": kind, "payload": payload}
        return LiveCommand(self._seq, kind, payload)

    def _propose(self, kind: str, payload: Json, text: str) -> Answer:
        self._require_running()
        command = self._number(kind, payload)
        self._current.put(Propose((command,)))
        return Answer(f"{text} as #{command.seq}", command.seq)

    def _control(self, kind: str, payload: Json, text: str) -> Answer:
        self._require_running()
        command = self._number(kind, payload)
        self._current.put(Control(command))
        return Answer(f"{text} as #{command.seq}", command.seq)

    def _require_running(self) -> None:
        if self._status.link == "over":
            raise NotOfferedError("The run has ended")

    def _post(self, run: LocalRun, message: object) -> None:
        """Hand a message of a run's thread to the event loop."""
        if not self._events.is_closed():
            self._events.call_soon_threadsafe(self._hear, run, message)

    def _hear(self, run: LocalRun, message: object) -> None:
        if isinstance(message, Saved):
            if self._saved is not None and not self._saved.done():
                self._saved.set_result(message)
        elif run is not self._current:
            return
        elif isinstance(message, Frames):
            self._frames.put(message.data)
        elif isinstance(message, Looked):
            self._look(message)
        elif isinstance(message, RunStarted):
            self._tick = message.tick
            self._tell(state="paused" if self._start.is_paused else "running")
        elif isinstance(message, RunEnded):
            self._tell(state="stopped" if message.reason in ("ok", "stopped_by_user") else "failed",
                       link="over", reason=message.message or "The run has ended.")  # fmt: skip
        elif isinstance(message, Broken):
            self._tell(state="failed", link="over", reason=message.reason)

    def _look(self, looked: Looked) -> None:
        for event in looked.events:
            self._note(event)
        if looked.sample is not None:
            self._readings.put(read_sample(looked.sample))
            self._tick = looked.sample.last
            self._tell()

    def _note(self, event: LiveEvent) -> None:
        payload = event.payload
        command = self._commands.get(payload["seq"]) if "seq" in payload else None
        self._happenings.put(Happening(event.tick, event.kind, payload, command))
        if event.kind == "state":
            speed = payload["speed"]
            self._tell(state="paused" if payload["paused"] else "running", speed=None if speed == "max" else speed)
        elif event.kind == "applied" and command is not None and command["kind"] == "model":
            self._tell(model=command["payload"]["model"])
        elif event.kind == "alert" and self._alerts_now.note(payload):
            self._alerts.put(self._alerts_now.listed)

    def _tell(self, **changes: Any) -> None:
        changed = replace(self._status, tick=self._tick, **changes)
        if changed != self._status:
            self._status = changed
            self._statuses.put(changed)


def read_sample(sample: Sample) -> Reading:
    """A sample of a loop in this process, taken now."""
    last = {name: None if row is None else row[3] for name, row in sample.values.items()}
    most = {name: None if row is None else row[1] for name, row in sample.values.items()}
    return Reading(
        sample.last, sample.time_s, {**last, **sample.pace}, {**most, **sample.pace}, time.time()
    )  # fmt: skip
