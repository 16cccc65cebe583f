"""The loop of a live run in its own process: commands, pace, ticks, and what is told of them.

The wall clock decides when a tick is computed, never what: everything that changes physics is a command with a tick,
and a command whose tick has come is waited for until the database has it (`Committed`). The pipe is looked at between
ticks, at least every two of them.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

from grid.core.errors import GridError, InputError
from grid.core.storable import storable_key
from grid.engine.errors import DivergedError
from grid.engine.live.clock import Clock, plan_clock
from grid.engine.live.commands import Command, Kind, find_platform
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.rule_definition import Rule
from grid.engine.live.scene import Scene
from grid.engine.live.session import FIELDS, Session
from grid.engine.live.summary import TickSummary
from grid.runtime.live.frame_cache import Picture
from grid.runtime.live.loop_ports import (
    Channel,
    Compiler,
    InlineKeeper,
    NoCompiler,
    NoViewers,
    SnapshotKeeper,
    Viewers,
)
from grid.runtime.live.loop_work import AheadWork, OpenSteps
from grid.runtime.live.messages import (
    CaughtUp,
    Committed,
    Control,
    EndReason,
    LiveCommand,
    LiveEvent,
    Looked,
    Origin,
    Propose,
    Proposed,
    Refused,
    RunEnded,
    RunStarted,
    Sample,
    SampleRow,
    StartRun,
)
from grid.runtime.live.outside import blank_outside
from grid.runtime.live.pacing import MAX_STEPS, Pace, PaceWatch, Speed
from grid.runtime.live.sampling import RowBuilder, SampleBuilder
from grid.schemas.frames import FrameFlag
from grid.schemas.live_log import make_alert_key

LOOK_S = 0.1  # [s] between two samples
EVENT_S = 0.02  # [s] between two batches of events
SHOW_S = 0.25  # [s] for which a viewer who comes in a pause waits for a picture
LEAST_WAIT_S = 1e-3  # [s] for which the pipe is waited for while events are to be told
MOST_LAGS = 1000  # [-] ticks whose lags make the jitter
MOST_LEAD = 8  # [-] ticks ahead of the current one for a command


class LiveLoop:
    """A run, its pace and its supervisor.

    Args:
        start: What to run.
        channel: To the supervisor.
        clock: Monotonic time [s].
        keeper: Stores states; None: they are sent where somebody asks.
        viewers: Who gets pictures; None: nobody.
        ahead: Takes work that coming ticks need, after each tick; None: they do it themselves.
        compiler: Says whether kernels were compiled meanwhile; None: nothing is known.
        on_speed: Called with the speed when it has changed.
    """

    def __init__(
        self,
        start: StartRun,
        channel: Channel,
        clock: Callable[[], float] = time.monotonic,
        keeper: SnapshotKeeper | None = None,
        viewers: Viewers | None = None,
        ahead: Callable[[Sequence[Callable[[], object]]], None] | None = None,
        compiler: Compiler | None = None,
        on_speed: Callable[[Speed], None] = lambda _: None,
    ) -> None:
        self._channel, self._now, self._start = channel, clock, start
        self._viewers = viewers if viewers is not None else NoViewers()
        self._is_catching_up, self._ahead = True, AheadWork(ahead)
        self._compiler = compiler if compiler is not None else NoCompiler()
        self._on_speed, self._steps = on_speed, OpenSteps()
        self._keeper = keeper if keeper is not None else InlineKeeper(channel)
        scene = Scene.from_json(start.scene)
        plan: Clock = plan_clock(scene, float(start.tick_s), method=start.method)
        rules = [Rule.from_json(rule) for rule in start.rules]
        self.session = (
            Session(scene, plan, seed=start.seed, rules=rules, threads=start.threads)
            if start.saved is None
            else Session.load(start.saved, scene, plan, threads=start.threads)
        )
        self.pace = Pace.start(
            clock(), tick_s=plan.tick, rate=start.rate, speed=start.speed, tick=self.session.tick,
            is_paused=start.is_paused,
        )  # fmt: skip
        self._watch, self._samples, self._rows = PaceWatch(), SampleBuilder(), RowBuilder()
        self._shown: dict[str, float | None] = {}
        self._events: list[LiveEvent] = []
        self._uncommitted: dict[int, LiveCommand] = {}  # proposed, not in the database yet
        # Those that were scheduled for a time let others pass; all others keep their order, however far ahead they are.
        self._last_proposed = max((one.tick or 0 for one in start.log if one.at_s is None), default=0)
        self._looked = self._told = clock()
        self._lags: deque[float] = deque(maxlen=MOST_LAGS)
        self._stop: EndReason | None = None
        self._has_compiled = False  # within the last tick
        self._switched = max((switch.tick for switch in self.session.state.model.switches), default=-1)

    def run(self) -> RunEnded:
        """Run until the run is stopped or diverges; the last message is returned, and has been sent."""
        summary, session = self.session.summary, self.session
        clock = session.clock
        self._settle_compiling()
        self._channel.send(
            RunStarted(session.tick, clock.method, clock.steps, clock.price, _plain(summary), find_platform())
        )
        reason, message = self._go_on()
        self._rows.finish()
        self._tell(force=True)
        files, snapshot = self._keeper.finish(session, is_result=reason in {"ok", "stopped_by_user"})
        ended = RunEnded(session.tick, reason, message, session.hash(), files, snapshot)
        self._channel.send(ended)
        return ended

    def note_wall(self, kind: str, key: str, payload: dict[str, Any]) -> None:
        """Note something that no replay finds again."""
        self._note(kind, key, payload, "wall")

    def _go_on(self) -> tuple[EndReason, str]:
        """Run to the end; why it ended, and one sentence where that is a failure."""
        try:
            self._catch_up()
            while self._stop is None:
                self._turn()
        except DivergedError as error:
            return "diverged", str(error)
        return self._stop, ""

    def _catch_up(self) -> None:
        """Take up the log beyond the saved state, and recompute to where viewers were, without pace."""
        before, known = self.session.tick, {command.seq for command in self.session.commands}
        self._take_steps(self._start.steps_until)
        for command in self._start.log:
            if command.seq not in known and (command.tick or 0) >= before:
                self._execute(command)
        is_new = self._start.epoch <= 1  # nobody was shown a tick that a stop would take back
        while self.session.tick < self._start.until and not (is_new and self._stop is not None):
            self._advance()
            self._drain(0.0)
            self._tell()
            self._show()
        self._is_catching_up = False
        if self._start.epoch > 1 or self._start.until > before:
            self._note("resumed", "run", {"from_tick": before, "to_tick": self.session.tick}, "wall")
        now, steps = self._now(), self.pace.steps
        self.pace = Pace.start(
            now, tick_s=self.pace.tick_s, rate=self.pace.rate, speed=self.pace.speed, tick=self.session.tick,
            is_paused=self.pace.is_paused,
        )  # fmt: skip
        self.pace = self.pace.step(steps) if steps else self.pace  # asked for meanwhile, or of the owner before
        self._channel.send(CaughtUp(self.session.tick, self.pace.is_paused))
        if self._start.waiting:
            self._channel.send(Proposed({command.seq: self._propose(command, 0) for command in self._start.waiting}))

    def _turn(self) -> None:
        """One decision of the pace, and what follows from it."""
        self.pace, order = self.pace.decide(self._now())
        if order.action == "wait":
            self._drain(self._shorten(order.seconds))
            if self.pace.is_due(self._now()):
                return  # samples and pictures come after the tick: before it they would hold it up
        elif order.action == "slip":
            self._lags.append(order.seconds)
            payload: dict[str, Any] = {"slipped_s": order.seconds, "slips": self.pace.slips}
            self._note("slip", "pace", payload | ({"cause": "compiling"} if self._has_compiled else {}), "wall")
            self._has_compiled = False
        elif self._is_held():
            self._drain(LOOK_S)  # rule: the tick of a command is committed before that tick is computed
        else:
            self._lags.append(order.seconds)
            self._has_compiled = False
            self._advance(lag=order.seconds)
            self.pace = self.pace.finish()
            if self._keeper.is_due(self._now()):
                self._keep(0)
        self._settle_compiling()
        self._tell()
        self._show()

    def _show(self) -> None:
        """Hand over the fields of which a picture is due."""
        session = self.session
        names = self._viewers.wanted(self._now(), session.tick)
        if not names:
            return
        known = FIELDS if session.scene.structure is not None else FIELDS[:1]
        fields = {name: blank_outside(session, session.field(name)) for name in names if name in known}
        flags = FrameFlag.LUMPED if session.summary.model == "lumped" else FrameFlag(0)
        flags |= FrameFlag.CATCHING_UP if self._is_catching_up else FrameFlag(0)
        flags |= FrameFlag.PAUSED if self.pace.is_paused else FrameFlag(0)
        flags |= FrameFlag.PHYSICS_DEGRADED if session.summary.physics != "full" else FrameFlag(0)
        self._viewers.offer(Picture(session.tick, session.time, int(flags), time.time_ns() // 1_000_000, fields))

    def _keep(self, seq: int) -> None:
        """Have the state stored; whatever the run has said up to it is told before."""
        self._note_outcomes()
        self._tell(force=True)
        self._keeper.keep(self.session, seq)

    def _shorten(self, seconds: float) -> float:
        """A wait that does not outlast the next batch of events and samples, nor a viewer's patience in a pause."""
        if self._events:
            seconds = min(seconds, max(LEAST_WAIT_S, self._told + EVENT_S - self._now()))
        return min(seconds, SHOW_S)

    def _is_held(self) -> bool:
        """True while a command of the tick that comes next is not in the database yet."""
        return any(command.tick == self.session.tick for command in self._uncommitted.values())

    def _advance(self, *, lag: float | None = None) -> None:
        """Compute one tick; without a lag it is one that is computed again, and has no pace."""
        began, started = time.perf_counter(), time.thread_time()
        self.session.advance()
        processor = time.thread_time() - started + self._ahead.take_spent()  # what was done ahead is of it too
        spent = {"processor_s": processor, "wall_s": time.perf_counter() - began, "lag_s": lag}
        self._shown = {**self._shown, **spent}
        self._ahead.give(self.session.pending())
        self._rows.add(self.session.summary, self._shown, self._now(), adapts=lag is not None)
        self._note_tick(self.session.summary)

    def _note_outcomes(self) -> None:
        for outcome in self.session.take_outcomes():
            kind, payload = outcome.describe()
            self._note(kind, str(outcome.seq), payload, tick=outcome.tick)

    def _note_tick(self, summary: TickSummary) -> None:
        """Gather what a tick shows, and note what happened at it."""
        self._samples.add(summary)
        self._note_outcomes()
        latest = self.session.state.model.switches  # of the last ones only: a state holds so many
        for switch in [each for each in latest if each.tick > self._switched]:
            self._note("switch", switch.model, switch.to_json(), tick=switch.tick)
            self._switched = switch.tick
        for change in self.session.take_transitions():
            key = make_alert_key(change.rule, change.alert, change.after, change.rule_version)
            self._note("alert", key, change.to_json(), tick=change.tick)
        for failure in self.session.take_failures():
            self._note(failure.kind, failure.name, failure.payload, tick=failure.tick)

    def _drain(self, seconds: float) -> None:
        """Handle what is in the pipe; wait for the first message as long as allowed."""
        message = self._channel.receive(seconds)
        while message is not None:
            self._handle(message)
            message = self._channel.receive(0.0)

    def _handle(self, message: object) -> None:
        if isinstance(message, Propose):
            ticks = {command.seq: self._propose(command, message.lead) for command in message.commands}
            self._channel.send(Proposed(ticks))
        elif isinstance(message, Committed):
            for seq in message.seqs:
                command = self._uncommitted.pop(seq, None)
                if command is not None:
                    self._execute(command)
                self._take_steps(self._steps.commit(seq))
        elif isinstance(message, Refused):
            for seq in message.seqs:
                self._uncommitted.pop(seq, None)
        elif isinstance(message, Control):
            self._control(message.command)

    def _propose(self, command: LiveCommand, lead: int) -> int:
        """The tick of a command: `lead` ticks ahead, or that of its time; in a pause the tick that comes next.

        Never before an earlier immediate one, nor before a tick that was shown before the run went on.
        """
        current = max(self.session.tick, self._start.until)
        least = 0 if lead == 0 or (self.pace.is_paused and not self.pace.steps) else 1
        tick = max(current + min(max(lead * least, least), MOST_LEAD), self._last_proposed)
        if command.at_s is None:
            self._last_proposed = tick
        else:
            tick = max(tick, self.session.find_tick(command.at_s))
        self._uncommitted[command.seq] = LiveCommand(command.seq, command.kind, command.payload, tick)
        return tick

    def _execute(self, command: LiveCommand) -> None:
        """Give a committed command to the session, which applies it at its tick."""
        kind = cast("Kind", command.kind)
        given = Command(command.seq, kind, command.payload, command.tick or 0, command.known)
        try:
            self.session.execute(given)
        except (RefusedChangeError, InputError) as error:
            payload = {"seq": command.seq, "reason": str(error)}
            self._note("refused", str(command.seq), payload, tick=command.tick)
        self._note_outcomes()  # of what took effect at this boundary: in a pause no tick may follow for long

    def _control(self, command: LiveCommand) -> None:
        """Change the pace; a number outside its limits is told and changes nothing."""
        now, payload, until = self._now(), command.payload, None
        try:
            if command.kind == "pause":
                self.pace = self.pace.pause()
                self._steps.clear()
            elif command.kind == "resume":
                self.pace = self.pace.resume(now)
                self._steps.clear()
            elif command.kind == "step":
                until = self._ask_steps(command)
            elif command.kind == "speed":
                self.pace = self.pace.change_speed(cast("Speed", payload["speed"]), now)
                self._on_speed(self.pace.speed)
            elif command.kind == "checkpoint":
                self._keep(command.seq)
            elif command.kind == "stop":
                self._stop = "stopped_by_user"
        except (GridError, KeyError, TypeError, ValueError) as error:
            self._note("refused", str(command.seq), {"seq": command.seq, "reason": str(error)}, "wall")
            return
        state = {"seq": command.seq, "kind": command.kind, "paused": self.pace.is_paused, "speed": self.pace.speed}
        self._note("state", str(command.seq), state | ({} if until is None else {"until": until}), "wall")

    def _ask_steps(self, command: LiveCommand) -> int:
        """Plan steps, and return the tick at which they end: a run of the ledger takes them once that is stored there.

        So they are neither lost with this process nor taken again by the next one.
        """
        tick = max(self.session.tick, self._start.until) if self._is_catching_up else self.session.tick
        first = max(tick + self.pace.steps, self._steps.last or tick)
        self.pace.step(int(command.payload["ticks"]))  # raises where the run is not paused, or for their number
        until = min(first + int(command.payload["ticks"]), tick + MAX_STEPS)
        self._steps.ask(command.seq, until)
        if self._start.run_id is None:
            self._take_steps(self._steps.commit(command.seq))
        return until

    def _take_steps(self, until: int | None) -> None:
        """Let steps through up to a tick; None: nothing."""
        tick = max(self.session.tick, self._start.until) if self._is_catching_up else self.session.tick
        steps = 0 if until is None else until - tick - self.pace.steps
        if self.pace.is_paused and steps > 0:
            self.pace = self.pace.step(min(steps, MAX_STEPS))

    def _settle_compiling(self) -> None:
        """Begin the window of the real-time ratio anew where kernels were compiled: what they took is no overload."""
        if self._compiler.settle():
            self._has_compiled, self._watch = True, PaceWatch(self._watch.is_behind)
            self.pace = self.pace.forget_window()

    def _note(
        self, kind: str, key: str, payload: dict[str, Any], origin: Origin = "engine", *, tick: int | None = None
    ) -> None:
        clock, at = self.session.clock, self.session.tick if tick is None else tick
        self._events.append(LiveEvent(at, at * clock.steps, clock.time(at), kind, storable_key(key), payload, origin))

    def _tell(self, *, force: bool = False) -> None:
        """Send a sample ten times a second at most, and events soon after they were noted."""
        now = self._now()
        if not force and now - self._looked < LOOK_S:
            if self._events and now - self._told >= EVENT_S:
                self._send(now, None, ())
            return
        ratio = self.pace.find_ratio(now)
        self._watch, news = self._watch.look(ratio, now)
        if news is not None:
            self._note(news, "pace", {"ratio": ratio, "simulated_rate": self.pace.find_simulated_rate(now)}, "wall")
        self._shown = {
            "ratio": ratio, "simulated_rate": self.pace.find_simulated_rate(now), "slips": float(self.pace.slips),
            "slipped_s": self.pace.slipped_s, "jitter_s": find_jitter(self._lags),
            **{name: self._shown.get(name) for name in ("processor_s", "wall_s", "lag_s")},
            **self._viewers.load_figures(now),
        }  # fmt: skip
        sample, rows = self._samples.take(self._shown), self._rows.take()
        if self._events or rows or sample is not None:
            self._send(now, sample, rows)
        self._looked = now

    def _send(self, now: float, sample: Sample | None, rows: tuple[SampleRow, ...]) -> None:
        self._channel.send(Looked(tuple(self._events), sample, rows))
        self._viewers.offer_events(*self._events)
        if sample is not None:
            self._viewers.offer_sample(sample)
        self._events, self._told = [], now


def find_jitter(lags: Sequence[float]) -> float | None:
    """The lag that 99 of 100 of the last ticks did not exceed [s]; None where there are none."""
    return sorted(lags)[math.ceil(0.99 * len(lags)) - 1] if lags else None


def _plain(summary: TickSummary) -> dict[str, Any]:
    """What a tick shows, as JSON."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in summary._asdict().items()}
