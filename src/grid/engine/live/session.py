"""A live run that is held by one thread: a notebook, the child of a service, or a replay.

    session = Session(scene, plan_clock(scene, tick=1 / 30))
    session.apply(Burst((0.4, 0.5), radius=0.02, power=2e4, duration=2.0))
    summary = session.advance(60)
    session.field("temperature"), session.hash()

A session is not safe for several threads. Arrays that it hands out are read-only, and its own no longer.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Literal

import numpy as np

from grid.core.errors import FieldError, InputError
from grid.engine.arguments import require_choice, require_kind
from grid.engine.live.advance import Parts, advance_tick, find_field, start_state
from grid.engine.live.changes import Change, Effective, describe, find_start, make_change
from grid.engine.live.clock import Clock
from grid.engine.live.commands import Command, LogHeader, Outcome, make_header
from grid.engine.live.degradation import degrade, require_common_temperature
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.event import Event
from grid.engine.live.events import BoundaryChange, Burst, Damage
from grid.engine.live.events_json import event_json, read_event
from grid.engine.live.failures import Failure, list_failures
from grid.engine.live.fidelity_limits import POLICIES, Policy
from grid.engine.live.integrity import StructureLook, read_field, weaken
from grid.engine.live.needs import find_lumped_obstacle
from grid.engine.live.plan import LivePlan
from grid.engine.live.restoring import restore, take_snapshot
from grid.engine.live.rule_definition import Rule, activate, require_rules
from grid.engine.live.rule_state import Transition
from grid.engine.live.rules import evaluate, revise_rules, start_rule
from grid.engine.live.saving import unpack, write
from grid.engine.live.scene import Scene
from grid.engine.live.state import LiveState
from grid.engine.live.summary import TickSummary
from grid.engine.values.operations import FloatArray

FieldName = Literal["temperature", "stress", "utilisation", "damage", "state"]
FIELDS: tuple[FieldName, ...] = ("temperature", "stress", "utilisation", "damage", "state")
MAX_ACTIVE = 64  # [-] events in force or to come


class Session:
    """A run and its log.

    Args:
        scene: What is simulated.
        clock: How; from `plan_clock` for this scene.
        seed: Of random numbers, which are keyed by it and the tick.
        rules: Alert rules in simulation time; each sees every tick.
        threads: Threads that a method shares its rows among; the bytes do not depend on it.
    """

    def __init__(
        self, scene: Scene, clock: Clock, *, seed: int = 0, rules: Sequence[Rule] = (), threads: int = 1
    ) -> None:
        require_kind("scene", scene, Scene, "a Scene")
        require_kind("clock", clock, Clock, "a Clock; what plan_clock returns")
        self.scene, self.clock, self.seed = scene, clock, seed
        self.plan = LivePlan.make(scene, clock, threads=threads)
        self.parts = Parts.make(self.plan)
        self._state, self.summary, seen = start_state(self.plan, self.parts)
        self.commands: list[Command] = []
        self.waiting: list[Command] = []
        self._outcomes: list[Outcome] = []
        self._failures: list[Failure] = []
        self._transitions: list[Transition] = []
        self.rules = tuple(activate(rule, clock.tick) for rule in require_rules(rules))
        self._state = replace(self._state, alerts=tuple(start_rule(active) for active in self.rules))
        self._foreseen: tuple[LivePlan, tuple[int, ...], LivePlan] | None = None
        self._is_shared = True  # whether others may hold the field of the state
        self._follow(seen, has_yielded=False)

    @property
    def state(self) -> LiveState:
        """The state at this tick. Its field stays what it is; its structure is the run's own and goes on."""
        self._is_shared = True
        return self._state

    @property
    def tick(self) -> int:
        """Number of the tick that comes next."""
        return self._state.tick

    @property
    def time(self) -> float:
        """Simulated time [s]."""
        return self.clock.time(self.tick)

    def apply(self, event: Event | Mapping[str, Any], *, at_s: float | None = None) -> Effective:
        """Apply an event at the beginning of the next tick, or of the first tick at or after a time.

        Args:
            event: An event, or its JSON.
            at_s: Simulated time [s]; what is scheduled may still be refused when its tick comes (`take_outcomes`).

        Raises:
            FieldError, InvalidFieldsError: The event is outside the scene or a limit. Nothing has changed then.
            RefusedChangeError: The state does not allow it. Nothing has changed then.
        """
        found = read_event(event, self.scene) if isinstance(event, Mapping) else event
        require_kind("event", found, Event, "an event, such as Burst")
        found.check(self.scene)
        tick = find_start(at_s, self.tick, self.clock)
        known = self.tick if tick > self.tick else None
        return self.execute(Command(self._last_seq + 1, "event", event_json(found), tick, known))

    def end(self, seq: int) -> Effective:
        """End an event at the beginning of the next tick.

        Args:
            seq: Number of the event's command.

        Raises:
            RefusedChangeError: No event of that number is in force or to come, or nothing ends it.
        """
        return self.execute(Command(self._last_seq + 1, "end-event", {"seq": seq}, self.tick))

    def choose_model(self, policy: Policy) -> Effective:
        """Choose the model from the next tick on: `auto`, `lumped` or `diffusive`.

        Raises:
            FieldError: Another word.
            RefusedChangeError: Lumped, where a face is held or radiates, or a source moves.
        """
        return self.execute(Command(self._last_seq + 1, "model", {"model": policy}, self.tick))

    def pending(self) -> list[Callable[[], object]]:
        """Work that another thread may do before its tick: shapes of the lumped model, stress by potential.

        What nobody has done by then is done within the tick; the bytes are the same.
        """
        found = self.parts.controller.pending(self._foresee_plan(), self._state.model, self.tick)
        if self._state.potential is not None:
            found.append(self._state.potential.solve)
        return found

    def execute(self, command: Command) -> Effective:
        """Apply a command now where its tick is the next, else keep it until its tick comes.

        Commands of one tick take effect in order of their numbers.

        Raises:
            FieldError, InvalidFieldsError: It is malformed, or its tick or number is in the past.
            RefusedChangeError: Its tick is the next, and the state does not allow it.
        """
        if command.tick < self.tick:
            raise FieldError("tick", f"{self.tick} or later")
        if any(known.seq == command.seq for known in self.commands):
            raise FieldError("seq", "a number that no command has yet")
        if command.tick == self.tick:
            self._carry_out_due()  # those that waited have smaller numbers
            found = self._carry_out(command)  # raises before anything has changed
            self._note(command)
            return found
        found = self._foresee(command)
        self._note(command)
        self.waiting.append(command)
        return found

    def advance(self, ticks: int = 1, on_tick: Callable[[TickSummary], bool | None] | None = None) -> TickSummary:
        """Advance by ticks and return what the last one shows.

        Args:
            ticks: How many.
            on_tick: Called after each with what it shows; False stops.

        Raises:
            DivergedError: A temperature is no finite number; the state is that of the last good tick.
        """
        for _ in range(ticks):
            self._advance_one()
            if on_tick is not None and on_tick(self.summary) is False:
                break
        return self.summary

    def take_outcomes(self) -> list[Outcome]:
        """What became of commands since this was last asked, in the order in which they took effect."""
        taken, self._outcomes = self._outcomes, []
        return taken

    def find_tick(self, at_s: float) -> int:
        """The first boundary at or after a simulated time [s], and not before the next.

        Raises:
            FieldError: Not finite, below 0, or too far ahead.
        """
        return find_start(at_s, self.tick, self.clock)

    def take_failures(self) -> list[Failure]:
        """Cells and regions that have failed, and the first that yielded, since this was last asked."""
        taken, self._failures = self._failures, []
        return taken

    def take_transitions(self) -> list[Transition]:
        """What alert rules have decided since this was last asked, in order."""
        taken, self._transitions = self._transitions, []
        return taken

    def field(self, name: FieldName = "temperature") -> FloatArray:
        """A field at this tick, shape `cells`: temperature, stress [Pa], utilisation, damage, or state (0, 1, 2).

        Raises:
            FieldError: The scene has no structure.
        """
        require_choice("field", name, FIELDS)
        temperature = find_field(self.plan, self._state)
        if name == "temperature":
            found = temperature
        elif self.parts.body is None or self._state.structure is None:
            raise FieldError("field", "temperature: the scene has no structure")
        else:
            found = read_field(name, self.parts.body, self._state.structure, self.parts.window, temperature)
        shaped: FloatArray = found.reshape(self.plan.space.shape)
        shaped.setflags(write=False)
        return shaped

    def hash(self) -> str:
        """SHA-256 of the temperatures, as little-endian doubles in C order."""
        flat = find_field(self.plan, self._state)
        return hashlib.sha256(np.ascontiguousarray(flat, "<f8").tobytes()).hexdigest()

    @property
    def header(self) -> LogHeader:
        """First line of the log of this run."""
        return make_header(self.scene, self.clock, self.seed)

    def save(self) -> bytes:
        """The whole run at this tick, from which `load` goes on to the same bytes."""
        buffer = io.BytesIO()
        self.write(buffer)
        return buffer.getvalue()

    def write(self, file: BinaryIO) -> None:
        """Write what `save` returns to a file that is open for writing."""
        rules = [active.rule for active in self.rules]
        taken = take_snapshot(self.header, self.plan, self._state, self.summary, rules, self.commands, self.waiting)
        write(taken, file)

    @classmethod
    def load(cls, data: bytes, scene: Scene, clock: Clock, *, threads: int = 1) -> "Session":
        """The session that was saved.

        Raises:
            CheckpointError: The data are damaged, or belong to another scene, clock or version of the numerics.
        """
        session = cls(scene, clock, threads=threads)
        run = unpack(data, session.header, scene)
        session.seed, session.summary = run.log.seed, run.summary
        session.rules = tuple(activate(rule, clock.tick) for rule in run.rules)
        session.plan, session._state = restore(run, session.plan, session.parts)
        session._failures = []
        session.commands = list(run.commands)
        session.waiting = [command for command in run.commands if command.seq in set(run.waiting)]
        return session

    def fork(self) -> "Session":
        """Another session at the same tick with the same log; both go on alone."""
        other = object.__new__(Session)
        other.__dict__.update(self.__dict__)
        structure = None if self._state.structure is None else self._state.structure.copy()
        other._state = replace(self._state, structure=structure)
        other.commands, other.waiting = list(self.commands), list(self.waiting)
        other._outcomes, other._failures, other._transitions = [], [], []
        other.plan, other.parts, other._foreseen = self.plan.fork(), self.parts.fork(), None
        self._is_shared = other._is_shared = True
        return other

    @property
    def _last_seq(self) -> int:
        return max((command.seq for command in self.commands), default=0)

    def _note(self, command: Command) -> None:
        self.commands.append(command)
        self.commands.sort(key=lambda known: known.seq)

    def _carry_out_due(self) -> None:
        """Carry out what has waited for this tick."""
        due = sorted((one for one in self.waiting if one.tick == self.tick), key=lambda command: command.seq)
        self.waiting = [one for one in self.waiting if one.tick > self.tick]
        for command in due:
            try:
                self._carry_out(command)
            except (RefusedChangeError, InputError) as error:
                self._outcomes.append(Outcome(command.seq, self.tick, None, str(error)))

    def _advance_one(self) -> None:
        self._carry_out_due()
        self._use(self.plan.at(self.tick))
        before = self._state
        after, summary, seen = advance_tick(self.plan, before, self.parts, self._foresee_plan())
        if after.temperatures is not before.temperatures:
            if not self._is_shared:
                self.plan.stepper.release(before.temperatures)
            self._is_shared = False
        self._state, self.summary = after, summary
        if self.rules:
            metrics = summary.metrics()
            alerts, transitions = evaluate(self.rules, self._state.alerts, metrics, self.tick, self.time)
            self._state = replace(self._state, alerts=alerts)
            self._transitions += transitions
        self._follow(seen, has_yielded=before.has_yielded)

    def _follow(self, seen: StructureLook | None, *, has_yielded: bool) -> None:
        """Note what has failed at a boundary, and go on with a plan in which it has."""
        if seen is None:
            return
        body, structure = self.parts.body, self._state.structure
        names = () if body is None or body.regions is None else body.regions.names
        self._failures += list_failures(seen, self.tick, self.plan.space.shape, names, has_yielded=has_yielded)
        if seen.new_failures.size:
            self._use(self.plan.with_failed(seen.new_failures))
        if seen.new_regions and structure is not None and structure.loads is not None:
            self._use(self.plan.with_regions(structure.loads))

    def _foresee_plan(self) -> LivePlan:
        """The plan with the scheduled events that the run prepares for now, as their commands say."""
        known = [
            one for one in self.waiting if one.kind == "event" and one.known is not None and one.known <= self.tick
        ]
        numbers = tuple(command.seq for command in known)
        if not numbers:
            return self.plan
        if self._foreseen is None or self._foreseen[0] is not self.plan or self._foreseen[1] != numbers:
            changes = [self._make_change(command) for command in known]
            self._foreseen = (self.plan, numbers, self.plan.with_changes(changes))
        return self._foreseen[2]

    def _use(self, plan: LivePlan) -> None:
        """Go on with another plan; the field takes the form of its method."""
        if plan.stepper is not self.plan.stepper:
            before = self._state.temperatures
            field = plan.stepper.wrap(self.plan.stepper.unwrap(before), before.content)
            self._state = replace(self._state, temperatures=field)
            self._is_shared = False
        self.plan = plan

    def _carry_out(self, command: Command) -> Effective:
        """Change the plan by a command at its tick."""
        if command.kind == "model":
            return self._choose_model(command)
        if command.kind == "rules":
            return self._revise_rules(command)
        if command.kind == "mode":
            self._state = degrade(command.payload, self.plan.at(self.tick), self.parts.body, self._state)
            return self._settle(command)
        if command.kind == "event":
            change = self._make_change(command)
            self._require_room()
            if isinstance(change.event, Damage) and self.parts.body is not None and self._state.structure is not None:
                hit = change.event.damage(self.scene)
                weaken(
                    self._state.structure, hit.cells.reshape(-1), damage=hit.damage, stiffness=hit.stiffness_factor
                )  # fmt: skip
        else:
            change = self._find_end(command)
        self.plan = self.plan.with_changes([change])
        found = describe(change, self.clock)
        self._outcomes.append(Outcome(command.seq, self.tick, found, None))
        return found

    def _foresee(self, command: Command) -> Effective:
        """What a command for a later tick will do, if the state allows it then."""
        if command.kind == "event":
            return describe(self._make_change(command), self.clock)
        return Effective(command.tick, command.tick * self.clock.steps, self.clock.time(command.tick))

    def _choose_model(self, command: Command) -> Effective:
        policy = require_choice("payload.model", command.payload.get("model"), POLICIES)
        if policy == "lumped":
            require_common_temperature(self.plan.at(self.tick), self.tick)
        chosen = next(name for name in POLICIES if name == policy)
        known: Policy = "diffusive" if find_lumped_obstacle(self.scene) else chosen
        self._state = replace(self._state, model=replace(self._state.model, policy=known))
        return self._settle(command)

    def _revise_rules(self, command: Command) -> Effective:
        raw = command.payload.get("rules")
        if not isinstance(raw, (list, tuple)):
            raise FieldError("payload.rules", "a list of rules")
        rules = require_rules([Rule.from_json(rule) for rule in raw])
        self.rules = tuple(activate(rule, self.clock.tick) for rule in rules)
        alerts, transitions = revise_rules(self.rules, self._state.alerts, self.tick, self.time)
        self._state = replace(self._state, alerts=alerts)
        self._transitions += transitions
        return self._settle(command)

    def _settle(self, command: Command) -> Effective:
        """Note that a command has taken effect at this boundary, without numbers of its own."""
        found = Effective(self.tick, self.tick * self.clock.steps, self.time)
        self._outcomes.append(Outcome(command.seq, self.tick, found, None))
        return found

    def _make_change(self, command: Command) -> Change:
        event = read_event(command.payload, self.scene)
        if isinstance(event, Burst):
            event.check_speed(self.scene, self.clock.tick)
        if isinstance(event, BoundaryChange) and self.clock.method != "implicit":
            event.require_no_temperature()
        return make_change(command.seq, event, command.tick, self.clock)

    def _require_room(self) -> None:
        if len(self.plan.changes) >= MAX_ACTIVE:
            raise RefusedChangeError(f"{MAX_ACTIVE} events are in force or to come; end one first")

    def _find_end(self, command: Command) -> Change:
        if command.kind != "end-event":
            raise FieldError("kind", "event, end-event, model, rules or mode")
        wanted = command.payload.get("seq")
        if not isinstance(wanted, int) or isinstance(wanted, bool):
            raise FieldError("payload.seq", "the number of an event")
        for change in self.plan.at(self.tick).changes:
            if change.seq == wanted:
                if change.event.is_lasting:
                    raise RefusedChangeError(f"event {wanted} is {change.event.kind}, which nothing ends")
                return replace(change, end=max(self.tick, change.start))
        raise RefusedChangeError(f"no event {wanted} is in force or to come")


def replay(
    scene: Scene, clock: Clock, commands: Iterable[Command], until: int, *, seed: int = 0, rules: Sequence[Rule] = ()
) -> Session:
    """A session that has carried out the commands of a log at their ticks and stands at a tick.

    Raises:
        FieldError, InvalidFieldsError: A command is malformed.
    """
    session = Session(scene, clock, seed=seed, rules=rules)
    for command in commands:
        try:
            session.execute(command)
        except RefusedChangeError:
            continue  # it was refused then as well
    session.advance(until - session.tick)
    return session
