"""A scenario through a session, from its begin to its end, beside the course that it is expected to take.

run = run_scenario(scenario, scenario.params_model(), (64, 64))
[(expected.quantity, found) for expected, found in run.found if not expected.is_met(found)]
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from grid.engine.live.clock import plan_clock
from grid.engine.live.fidelity_limits import Policy
from grid.engine.live.rule_definition import Rule
from grid.engine.live.rule_state import Transition
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session
from grid.engine.live.summary import TickSummary
from grid.engine.space.interpolation import interpolate, widen
from grid.schemas.scenarios import Expectation, Json, Scenario


@dataclass
class ScenarioRun:
    """A finished run.

    Args:
        session: At its end.
        summaries: Of every tick.
        transitions: What the alert rules decided, in order.
        fired: Tick at which each rule fired first.
        places: Temperatures at places, by place and tick, in the unit of the scene.
        found: What was expected, and what there was; None for what never happened.
        beyond: What is expected after the end of the run.
    """

    session: Session
    summaries: list[TickSummary]
    transitions: list[Transition] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    places: dict[tuple[tuple[float, ...], int], float] = field(default_factory=dict)
    found: list[tuple[Expectation, float | str | None]] = field(default_factory=list)
    beyond: list[Expectation] = field(default_factory=list)


# Called after every tick, with what the alert rules decided at it; False stops the run.
OnTick = Callable[[Session, Sequence[Transition]], object]


def run_scenario(
    scenario: Scenario,
    params: BaseModel,
    cells: tuple[int, ...],
    *,
    method: str = "auto",
    model: Policy | None = None,
    ticks: int | None = None,
    on_begin: Callable[[Session], object] | None = None,
    on_tick: OnTick | None = None,
) -> ScenarioRun:
    """Run a scenario from its begin, and find what its expectations ask for.

    Args:
        scenario: From the registry.
        params: Of its model.
        cells: Of the grid.
        method: Of `plan_clock`.
        model: Who chooses between the lumped and the diffusive model; None: as the scenario has it.
        ticks: How many; None: to the end of the scenario.
        on_begin: Called before the first tick.
        on_tick: Called after every tick.

    Raises:
        FieldError: The scenario has no such grid.
        DivergedError: A temperature is no finite number.
    """
    session = start_scenario(scenario, params, cells, method=method, model=model)
    if on_begin is not None:
        on_begin(session)
    expected = scenario.expected(params)
    run, wanted = ScenarioRun(session, [session.summary]), collect_places(expected, session.clock.tick)
    for _ in range(scenario.timing(params).ticks if ticks is None else ticks):
        summary = session.advance()
        run.summaries.append(summary)
        changes = session.take_transitions()
        run.transitions += changes
        for change in changes:
            if change.after == "firing":
                run.fired.setdefault(change.rule, summary.tick)
        for place in wanted[summary.tick]:
            run.places[(place, summary.tick)] = find_temperature(session, place)
        if on_tick is not None and on_tick(session, changes) is False:
            break
    reached = [find_tick(each.time_s, session.clock.tick) <= session.tick for each in expected]
    run.found = [(each, find(run, each)) for each, is_there in zip(expected, reached, strict=True) if is_there]
    run.beyond = [each for each, is_there in zip(expected, reached, strict=True) if not is_there]
    return run


def start_scenario(
    scenario: Scenario, params: BaseModel, cells: tuple[int, ...], *, method: str = "auto", model: Policy | None = None
) -> Session:
    """A session at the begin of a scenario, with its rules, and its events scheduled.

    Raises:
        FieldError: The scenario has no such grid.
    """
    scene = Scene.from_json(choose_policy(scenario.scene(params, cells), model))
    rules = [Rule.from_json(rule) for rule in scenario.rules(params)]
    clock = plan_clock(scene, scenario.timing(params).tick_s, method=method)
    session = Session(scene, clock, rules=rules)
    for event in scenario.events(params):
        session.apply(event["event"], at_s=event["at_s"])
    return session


def choose_policy(scene: Json, model: Policy | None) -> Json:
    """The scene with another choice between the models; without a choice the scene itself."""
    given = scene.get("fidelity")
    if model is None or (given is None and model == "auto"):  # without limits there is nothing to choose by
        return scene
    return {**scene, "fidelity": {**(given or {}), "policy": model}}


def find_tick(time: float, tick: float) -> int:
    """The first boundary at or after a time."""
    return math.ceil(time / tick * (1.0 - 1e-12))


def collect_places(expected: Sequence[Expectation], tick: float) -> dict[int, set[tuple[float, ...]]]:
    """Places whose temperatures are needed, by tick."""
    found: dict[int, set[tuple[float, ...]]] = defaultdict(set)
    for each in expected:
        if each.at:
            found[find_tick(each.time_s, tick)].add(each.at)
            if each.measure == "decay_rate":
                found[find_tick(each.from_s, tick)].add(each.at)
    return found


def find_temperature(session: Session, place: tuple[float, ...]) -> float:
    """Temperature at a place, interpolated to third order; a place has as many numbers as the body, or fewer."""
    space = session.plan.space
    size = space.problem.domain.size
    whole = (*place, *(0.5 * length for length in size[len(place) :]))
    loads = session.plan.loads(session.tick)
    wide = widen(space, session.field().reshape(-1), loads.face_laws)
    return interpolate(space, wide, whole)


def find(run: ScenarioRun, expected: Expectation) -> float | str | None:
    """What a run has for an expectation; None for what never happens."""
    tick = run.session.clock.tick
    last, first = find_tick(expected.time_s, tick), find_tick(expected.from_s, tick)

    def read(at: int) -> float | str:
        if expected.at:
            return run.places[(expected.at, at)]
        value = getattr(run.summaries[at], expected.quantity)
        if not isinstance(value, (str, float, int)):
            raise TypeError(f"{expected.quantity} is no number")
        return value if isinstance(value, str) else float(value)

    if expected.quantity == "firing":
        fired = run.fired.get(str(expected.level))
        return None if fired is None or fired > last else run.session.clock.time(fired)
    if expected.measure == "value":
        return read(last)
    if expected.measure == "average":  # of the tick boundaries; both ends count half
        values = [float(read(at)) for at in range(first, last + 1)]
        return (sum(values) - 0.5 * (values[0] + values[-1])) / (last - first)
    level = float(expected.level)  # type: ignore[arg-type]
    if expected.measure == "first_time":
        reached = (at for at in range(last + 1) if float(read(at)) >= level)
        at = next(reached, None)
        return None if at is None else run.session.clock.time(at)
    rates = [math.log(abs(float(read(at)) - level)) for at in (first, last)]
    return (rates[0] - rates[1]) / ((last - first) * tick)
