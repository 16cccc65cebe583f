"""A live run that is held by one thread: a notebook, the child of a service, or a replay.

    session = Session(scene, plan_clock(scene, tick=1 / 30))
    session.apply(Burst((0.4, 0.5), radius=0.02, power=2e4, duration=2.0))
    summary = session.advance(60)
    session.field("temperature"), session.hash()

A session is not safe for several threads. Arrays that it hands out are read-only, and its own no longer.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from grid.core.errors import FieldError, InputError
from grid.engine.arguments import require_choice, require_kind
from grid.engine.errors import CheckpointError
from grid.engine.kernel_folder import describe_environment
from grid.engine.live.advance import Parts, advance_tick, find_field, start_state
from grid.engine.live.changes import Change, Effective, describe, find_start, make_change
from grid.engine.live.clock import Clock
from grid.engine.live.commands import Command, LogHeader, Outcome
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.events import Burst, Damage, Event
from grid.engine.live.events_json import event_json, read_event
from grid.engine.live.fidelity import model_arrays, pack_model, unpack_model
from grid.engine.live.fidelity_limits import POLICIES, Policy
from grid.engine.live.integrity import REASONS, StructureLook, StructureState, read_states, read_stress, weaken
from grid.engine.live.look import FieldLook
from grid.engine.live.plan import LivePlan
from grid.engine.live.rule_definition import Rule, activate
from grid.engine.live.rule_state import Transition
from grid.engine.live.rules import evaluate, revise_rules, start_rule
from grid.engine.live.saving import SavedRun, pack, unpack
from grid.engine.live.scene import Scene
from grid.engine.live.state import LiveState
from grid.engine.live.stepping import Window
from grid.engine.live.structure_body import StructureBody
from grid.engine.live.summary import TickSummary
from grid.engine.space.laws import Loads
from grid.engine.values.content_hash import hash_content
from grid.engine.values.operations import FloatArray
from grid.engine.version import compute_numerics_version

FieldName = Literal["temperature", "stress", "utilisation", "damage", "state"]
FIELDS: tuple[FieldName, ...] = ("temperature", "stress", "utilisation", "damage", "state")
MAX_ACTIVE = 64  # [-] events in force or to come
MAX_RULES = 50  # [-] rules of a run
MOST_FAILURES = 20  # [-] cells of a tick that are named when they fail


@dataclass(frozen=True)
class Failure:
    """Something that failed or began to yield at the end of a tick.

    Args:
        kind: `failed-cell`, `failed-region` or `yield`.
        name: Cell or region.
        payload: As JSON.
        tick: Number of the tick that begins then.
    """

    kind: str
    name: str
    payload: dict[str, Any]
    tick: int


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
        self._state, self.summary = start_state(self.plan, self.parts)
        self.commands: list[Command] = []
        self.waiting: list[Command] = []
        self._outcomes: list[Outcome] = []
        self._failures: list[Failure] = []
        self._transitions: list[Transition] = []
        self.rules = tuple(activate(rule, clock.tick) for rule in _require_rules(rules))
        self._state = replace(self._state, alerts=tuple(start_rule(active) for active in self.rules))
        self._foreseen: tuple[LivePlan, tuple[int, ...], LivePlan] | None = None
        self._is_shared = True  # whether others may hold the field of the state

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
        command = Command(self._last_seq + 1, "event", event_json(found), find_start(at_s, self.tick, self.clock))
        return self.execute(command)

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
        return self.execute(Command(self._last_seq + 1, "model", {"policy": policy}, self.tick))

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
            found = self._read_structure(name, self.parts.body, self._state.structure, temperature)
        shaped: FloatArray = found.reshape(self.plan.space.shape)
        shaped.setflags(write=False)
        return shaped

    def _read_structure(
        self, name: FieldName, body: StructureBody, state: StructureState, temperature: FloatArray
    ) -> FloatArray:
        """A field of the structure, flat."""
        if name == "damage":
            return state.damage.copy()
        stress, use = read_stress(body, state, Window.of_padded(self.plan.space.shape), temperature)
        if name == "state":
            return read_states(state, use).astype(np.float64)
        return stress if name == "stress" else use

    def hash(self) -> str:
        """SHA-256 of the temperatures, as little-endian doubles in C order."""
        flat = find_field(self.plan, self._state)
        return hashlib.sha256(np.ascontiguousarray(flat, "<f8").tobytes()).hexdigest()

    @property
    def header(self) -> LogHeader:
        """First line of the log of this run."""
        return LogHeader(
            hash_content(self.scene, self.clock), self.clock.tick, self.clock.steps, self.seed,
            compute_numerics_version(), find_platform(),
        )  # fmt: skip

    def save(self) -> bytes:
        """The whole run at this tick, from which `load` goes on to the same bytes."""
        state, plan = self._state, self.plan
        return pack(
            SavedRun(
                log=self.header,
                tick=state.tick,
                temperature=plan.stepper.unwrap(state.temperatures),
                heat=state.heat,
                extremes=(state.lowest, state.highest),
                substeps=state.substeps,
                start_rise=state.start_rise,
                summary=self.summary,
                model=pack_model(state.model),
                model_arrays=model_arrays(state.model),
                look=(self._look, state.looked),
                observed=(state.observed, state.shown),
                has_yielded=state.has_yielded,
                rules=tuple(active.rule for active in self.rules),
                alerts=state.alerts,
                changes=plan.changes,
                commands=tuple(self.commands),
                waiting=tuple(command.seq for command in self.waiting),
                generation=plan.generation,
                potential=None if state.potential is None else state.potential.begun,
                potential_field=None if state.potential is None else state.potential.values,
                factors=plan.factors,
                failed=plan.failed,
                structure=None if state.structure is None else state.structure.pack(),
            )
        )

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
        plan = session.plan if run.factors is None else session.plan.weakened(run.factors)
        structure = None if run.structure is None else StructureState.unpack(run.structure)
        session.plan = replace(plan, failed=run.failed, generation=run.generation).with_changes(run.changes)
        if structure is not None and structure.loads is not None:
            session.plan = replace(session.plan, regions=structure.loads)
        space, find = session.plan.space, session._find_loads(run.tick)
        session._state = LiveState(
            tick=run.tick,
            temperatures=session.plan.stepper.wrap(run.temperature),
            heat=run.heat,
            lowest=run.extremes[0],
            highest=run.extremes[1],
            substeps=run.substeps,
            structure=structure,
            start_rise=run.start_rise,
            model=unpack_model(run.model, run.model_arrays, space, find),
            look=run.look[0],
            looked=run.look[1],
            observed=run.observed[0],
            shown=run.observed[1],
            has_yielded=run.has_yielded,
            alerts=run.alerts,
            potential=session.parts.restore_potential(run.potential, run.potential_field),
        )
        session.commands = list(run.commands)
        session.waiting = [command for command in run.commands if command.seq in set(run.waiting)]
        return session

    def _find_loads(self, boundary: int) -> Callable[[tuple[int, ...]], Loads]:
        """A function that gives the loads of the tick before or after a boundary by their key."""

        def find(key: tuple[int, ...]) -> Loads:
            for tick in (boundary - 1, boundary):
                if self.plan.key(tick) == key:
                    return self.plan.loads(tick)
            raise CheckpointError("it is of another plan")

        return find

    def fork(self) -> "Session":
        """Another session at the same tick with the same log; both go on alone."""
        other = object.__new__(Session)
        other.__dict__.update(self.__dict__)
        structure = None if self._state.structure is None else self._state.structure.copy()
        other._state = replace(self._state, structure=structure)
        other.commands, other.waiting = list(self.commands), list(self.waiting)
        other._outcomes, other._failures, other._transitions = [], [], []
        self._is_shared = other._is_shared = True
        return other

    @property
    def _last_seq(self) -> int:
        return max((command.seq for command in self.commands), default=0)

    def _note(self, command: Command) -> None:
        self.commands.append(command)
        self.commands.sort(key=lambda known: known.seq)

    def _advance_one(self) -> None:
        due = sorted((one for one in self.waiting if one.tick == self.tick), key=lambda command: command.seq)
        self.waiting = [one for one in self.waiting if one.tick > self.tick]
        for command in due:
            try:
                self._carry_out(command)
            except (RefusedChangeError, InputError) as error:
                self._outcomes.append(Outcome(command.seq, self.tick, None, str(error)))
        self._use(self.plan.at(self.tick))
        before = self._state
        after, summary, seen = advance_tick(self.plan, before, self.parts, self._foresee_plan())
        if after.temperatures is not before.temperatures:
            if not self._is_shared:
                self.plan.stepper.release(before.temperatures)
            self._is_shared = False
        self._state, self.summary = after, summary
        if seen is not None:
            self._note_failures(seen, before)
        if self.rules:
            metrics = summary.metrics()
            alerts, transitions = evaluate(self.rules, self._state.alerts, metrics, self.tick, self.time)
            self._state = replace(self._state, alerts=alerts)
            self._transitions += transitions
        if seen is not None and seen.new_failures.size:
            self._use(self.plan.with_failed(seen.new_failures))
        if seen is not None and seen.new_regions and after.structure is not None and after.structure.loads is not None:
            self._use(self.plan.with_regions(after.structure.loads))

    def _foresee_plan(self) -> LivePlan:
        """The plan with the events that are scheduled, as far as is known now."""
        numbers = tuple(command.seq for command in self.waiting)
        if not numbers:
            return self.plan
        if self._foreseen is None or self._foreseen[0] is not self.plan or self._foreseen[1] != numbers:
            changes = [self._make_change(command) for command in self.waiting if command.kind == "event"]
            self._foreseen = (self.plan, numbers, self.plan.with_changes(changes))
        return self._foreseen[2]

    def _note_failures(self, seen: StructureLook, before: LiveState) -> None:
        """Note what has failed at this tick: some cells by themselves, the others by their number."""
        tick, shape = self.tick, self.plan.space.shape
        cells = list(zip(seen.new_failures.tolist(), seen.reasons.tolist(), strict=True))
        for cell, reason in cells[:MOST_FAILURES]:
            place = [int(part) for part in np.unravel_index(cell, shape)]
            self._failures.append(Failure("failed-cell", str(cell), {"cell": place, "reason": REASONS[reason]}, tick))
        if len(cells) > MOST_FAILURES:
            count = {"cells": len(cells) - MOST_FAILURES}
            self._failures.append(Failure("failed-cell", "others", count, tick))
        names = () if self.parts.body is None or self.parts.body.regions is None else self.parts.body.regions.names
        for number in seen.new_regions:
            payload = {"region": names[number], "shed_w": seen.shed}
            self._failures.append(Failure("failed-region", names[number], payload, tick))
        if seen.yielding_cells and not before.has_yielded:
            place = [int(part) for part in np.unravel_index(seen.weakest, shape)]
            self._failures.append(Failure("yield", "first", {"cell": place, "utilisation": seen.utilisation}, tick))

    def _use(self, plan: LivePlan) -> None:
        """Go on with another plan; the field takes the form of its method."""
        if plan.stepper is not self.plan.stepper:
            flat = self.plan.stepper.unwrap(self._state.temperatures)
            self._state = replace(self._state, temperatures=plan.stepper.wrap(flat))
            self._is_shared = False
        self.plan = plan

    @property
    def _look(self) -> FieldLook:
        assert self._state.look is not None  # noqa: S101 - set at the start
        return self._state.look

    def _carry_out(self, command: Command) -> Effective:
        """Change the plan by a command at its tick."""
        if command.kind == "model":
            return self._choose_model(command)
        if command.kind == "rules":
            return self._revise_rules(command)
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
        policy = require_choice("payload.policy", command.payload.get("policy"), POLICIES)
        plan = self.plan.at(self.tick)
        if policy == "lumped" and self.scene.problem.domain.cell_count > 1:
            if any(plan.boundary(self.tick, patch.name).holds_temperature for patch in plan.space.patches):
                raise RefusedChangeError("a face is held at a temperature, so the body has no common one")
            if plan.key(self.tick) is None:
                raise RefusedChangeError("a face radiates or a source moves, which the lumped model does not follow")
        known = next(name for name in POLICIES if name == policy)
        self._state = replace(self._state, model=replace(self._state.model, policy=known))
        found = Effective(self.tick, self.tick * self.clock.steps, self.time)
        self._outcomes.append(Outcome(command.seq, self.tick, found, None))
        return found

    def _revise_rules(self, command: Command) -> Effective:
        raw = command.payload.get("rules")
        if not isinstance(raw, (list, tuple)):
            raise FieldError("payload.rules", "a list of rules")
        rules = _require_rules([Rule.from_json(rule) for rule in raw])
        self.rules = tuple(activate(rule, self.clock.tick) for rule in rules)
        alerts, transitions = revise_rules(self.rules, self._state.alerts, self.tick, self.time)
        self._state = replace(self._state, alerts=alerts)
        self._transitions += transitions
        found = Effective(self.tick, self.tick * self.clock.steps, self.time)
        self._outcomes.append(Outcome(command.seq, self.tick, found, None))
        return found

    def _make_change(self, command: Command) -> Change:
        event = read_event(command.payload, self.scene)
        if isinstance(event, Burst):
            event.check_speed(self.scene, self.clock.tick)
        return make_change(command.seq, event, command.tick, self.clock)

    def _require_room(self) -> None:
        if len(self.plan.changes) >= MAX_ACTIVE:
            raise RefusedChangeError(f"{MAX_ACTIVE} events are in force or to come; end one first")

    def _find_end(self, command: Command) -> Change:
        if command.kind != "end-event":
            raise FieldError("kind", "event, end-event, model or rules")
        wanted = command.payload.get("seq")
        if not isinstance(wanted, int) or isinstance(wanted, bool):
            raise FieldError("payload.seq", "the number of an event")
        for change in self.plan.at(self.tick).changes:
            if change.seq == wanted:
                if change.event.is_lasting:
                    raise RefusedChangeError(f"event {wanted} is {change.event.kind}, which nothing ends")
                return replace(change, end=max(self.tick, change.start))
        raise RefusedChangeError(f"no event {wanted} is in force or to come")


def _require_rules(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules of simulation time, each with a name of its own.

    Raises:
        FieldError: Too many, two of one name, or one in wall time.
    """
    if len(rules) > MAX_RULES:
        raise FieldError("rules", f"at most {MAX_RULES}")
    for index, rule in enumerate(rules):
        require_kind(f"rules[{index}]", rule, Rule, "a Rule")
    names = [rule.name for rule in rules]
    for index, rule in enumerate(rules):
        if rule.clock != "sim":
            raise FieldError(f"rules[{index}].clock", "sim: rules in wall time are not the run's")
        if names.index(rule.name) != index:
            raise FieldError(f"rules[{index}].name", "a name of its own")
    return tuple(rules)


def find_platform() -> str:
    """Twelve hexadecimal digits over what decides the machine code of kernels: where the bytes of fields hold."""
    environment = json.dumps(describe_environment(), sort_keys=True)
    return hashlib.sha256(environment.encode()).hexdigest()[:12]


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
