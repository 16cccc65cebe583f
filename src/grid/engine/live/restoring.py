"""What is saved of a live run, and plan and state from what was saved."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from grid.engine.errors import CheckpointError
from grid.engine.live.advance import Parts
from grid.engine.live.commands import Command, LogHeader
from grid.engine.live.fidelity import model_arrays, pack_model, unpack_model
from grid.engine.live.integrity import StructureState
from grid.engine.live.plan import LivePlan
from grid.engine.live.rule_definition import Rule
from grid.engine.live.saving import SavedRun
from grid.engine.live.state import LiveState
from grid.engine.live.summary import TickSummary
from grid.engine.space.laws import Loads


def take_snapshot(
    log: LogHeader, plan: LivePlan, state: LiveState, summary: TickSummary, rules: Iterable[Rule],
    commands: Iterable[Command], waiting: Iterable[Command],
) -> SavedRun:  # fmt: skip
    """Everything that a run goes on from.

    Args:
        log: First line of its log.
        plan, state, summary: Of the run.
        rules: Alert rules in force.
        commands: The log so far.
        waiting: Commands of it for later ticks.
    """
    assert state.look is not None  # noqa: S101 - set at the start
    potential = state.potential
    return SavedRun(
        log=log,
        tick=state.tick,
        temperature=plan.stepper.unwrap(state.temperatures),
        content=state.temperatures.content,
        heat=state.heat,
        extremes=(state.lowest, state.highest),
        substeps=state.substeps,
        start_rise=state.start_rise,
        summary=summary,
        model=pack_model(state.model),
        model_arrays=model_arrays(state.model),
        look=(state.look, state.looked),
        observed=(state.observed, state.shown),
        has_yielded=state.has_yielded,
        rules=tuple(rules),
        alerts=state.alerts,
        changes=plan.changes,
        commands=tuple(commands),
        waiting=tuple(command.seq for command in waiting),
        generation=plan.generation,
        potential=None if potential is None else potential.begun,
        potential_field=None if potential is None else potential.values,
        factors=plan.factors,
        failed=plan.failed,
        structure=None if state.structure is None else state.structure.pack(),
        physics=state.physics,
    )


def restore(run: SavedRun, plan: LivePlan, parts: Parts) -> tuple[LivePlan, LiveState]:
    """Plan and state of a saved run.

    Args:
        run: What was saved.
        plan: Of a run of the same scene and clock at tick 0.
        parts: Of that run.

    Raises:
        CheckpointError: It belongs to another plan.
    """
    plan = plan if run.factors is None else plan.weakened(run.factors)
    structure = None if run.structure is None else StructureState.unpack(run.structure)
    plan = replace(plan, failed=run.failed, generation=run.generation).with_changes(run.changes)
    if structure is not None and structure.loads is not None:
        plan = replace(plan, regions=structure.loads)
    state = LiveState(
        tick=run.tick,
        temperatures=plan.stepper.wrap(run.temperature, run.content),
        heat=run.heat,
        lowest=run.extremes[0],
        highest=run.extremes[1],
        substeps=run.substeps,
        structure=structure,
        start_rise=run.start_rise,
        model=unpack_model(run.model, run.model_arrays, plan.space, _find_loads(plan, run.tick)),
        look=run.look[0],
        looked=run.look[1],
        observed=run.observed[0],
        shown=run.observed[1],
        has_yielded=run.has_yielded,
        alerts=run.alerts,
        potential=parts.restore_potential(run.potential, run.potential_field),
        physics=run.physics,
    )
    return plan, state


def _find_loads(plan: LivePlan, boundary: int) -> Callable[[tuple[int, ...]], Loads]:
    """A function that gives the loads of the tick before or after a boundary by their key."""

    def find(key: tuple[int, ...]) -> Loads:
        for tick in (boundary - 1, boundary):
            if plan.key(tick) == key:
                return plan.loads(tick)
        raise CheckpointError("it is of another plan")

    return find
