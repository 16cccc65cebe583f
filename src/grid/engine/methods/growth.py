r"""Loads that rise with the temperature they heat: rate of a thermal runaway, and steps short enough to resolve it.

A source q(T) or a flux that rises by s for each kelvin [W/K] warms a cell of heat capacity C at the rate s/C by itself.
An implicit stage solves with C - tau s on the diagonal; beyond tau s = C it turns growth into decay, and no estimate of
the error shows that, since every error decays with it too. A step is therefore no longer than its stages can follow,
unless what conducts the heat away is stronger: the matrix of a stage, with no positive entries beside its diagonal,
keeps a positive vector positive if and only if all growth within it is resolved (R. S. Varga, Matrix Iterative
Analysis, chapter 3).
"""

import math

import numpy as np

from grid.core.errors import FieldError, GridError
from grid.engine.errors import NotConvergedError, RunawayError, RunError, SingularError, StepUnderflowError, format_unit
from grid.engine.linear.newton import RISE, can_differentiate, find_scale, make_newton_solver
from grid.engine.methods.state import State
from grid.engine.space.laws import Loads
from grid.engine.space.nonlinear import find_variation, freeze, freeze_loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

FOLLOWED = 0.5  # [-] weight of a stage times the rate of growth times the step; growth is infinite at 1
# [-] ratio of slopes over a step from which on it is shortened, and the share of it that is tried then
STRAIGHT, BENT = 4.0, 0.25
E_FOLDS = 10.0  # [-] factors e of growth until the end of a run from which on a failure counts as a runaway
OF_STEP = 1e-3  # [-] growth over a step that is still too long
MORE_STEPS = "take more steps (`steps=`), or leave their number to the method"


def _find_slopes(frozen: Space, loads: Loads, temperature: FloatArray, time: float) -> dict[str, FloatArray]:
    """The rate of each load by its name [1/s], flat: of the source, and of what is imposed on or made at each face."""
    rise = RISE * find_scale(frozen, loads, temperature)
    after, after_loads = freeze_loads(frozen, temperature + rise, time)
    rate, found = frozen.rate, dict[str, FloatArray]()
    if loads.source is not None and after_loads.source is not None:
        found["source_term"] = (after_loads.source - loads.source) / rise * rate
    for index, patch in enumerate(frozen.patches):
        if not frozen.boundaries[index].values:
            continue
        before = frozen.boundary_flux(index, temperature, loads.face_laws[index])[0]
        change = after.boundary_flux(index, temperature + rise, after_loads.face_laws[index])[0] - before
        slope = np.zeros_like(temperature)
        slope[patch.cells] = change * patch.area / rise * rate[patch.cells]
        found[f"boundaries.{patch.name}"] = slope
    return found


def find_longest_step(
    space: Space, fields: tuple[FloatArray, FloatArray], time: float, step: float, weight: float
) -> float:
    """The longest step whose stages follow loads that depend on temperature [s]; infinite where `step` does.

    Beside growth that is what a load that cools does over the step: where its slope falls to a small part of what it
    was, the straight lines of a stage lead past the temperature at which it ends.

    Args:
        fields: At the start and the end of a step, flat [K].
        time: Of its end [s].
        weight: Of a stage in the step.
    """
    if not find_variation(space).loads_of_temperature:
        return math.inf
    slopes = []
    for field in (*fields, 0.5 * (fields[0] + fields[1])):
        frozen, loads = freeze(space, field, time)
        slopes.append(_find_slopes(frozen, loads, field, time))
    if _bends(space, slopes, weight * step):
        return BENT * step
    nothing = np.zeros_like(fields[0])
    fastest = max(float(sum(parts.values(), nothing).max()) for parts in slopes)
    if weight * step * fastest <= FOLLOWED:
        return math.inf
    can_tell = can_differentiate(space) and not space.problem.has_phase_change
    if can_tell and all(_keeps_positive(space, field, time, weight * step) for field in fields):
        return math.inf
    return FOLLOWED / (weight * fastest)


def _bends(space: Space, slopes: list[dict[str, FloatArray]], tau: float) -> bool:
    """Tell whether a source or a flux that cools within a stage has slopes along a step that differ by far."""
    for name in slopes[0]:
        if name == "source_term" or space.problem.boundaries[name.removeprefix("boundaries.")].has_fluxes:
            along = np.array([parts[name] for parts in slopes])
            low, high = -along.max(axis=0), -along.min(axis=0)
            if np.any((tau * high > 1.0) & (low < high / STRAIGHT)):
                return True
    return False


def _keeps_positive(space: Space, temperature: FloatArray, time: float, tau: float) -> bool:
    """Tell whether the matrix of a stage has the inverse of a body that settles over it."""
    frozen, loads = freeze(space, temperature, time)
    try:
        solver = make_newton_solver(frozen, loads, temperature, time, shift=1.0, tau=tau)
    except RunError:
        return False
    inside = frozen.capacity > 0.0
    return bool(np.all(solver.solve(np.where(inside, frozen.capacity, 1.0))[inside] > 0.0))


def explain_failure(space: Space, state: State, error: GridError, end: float, *, is_adaptive: bool) -> GridError:
    """The error of a run that ended within a step, with its real cause where that is in the field it had reached.

    Args:
        state: The last one that is known.
        error: A RunError, placed already, or a FieldError of a property or load at a field of the run.
        end: Of the run [s].
        is_adaptive: Whether the method chooses its steps.

    Returns:
        A RunawayError where a load rises with temperature faster than anything takes the heat away, a SingularError
        where a half cell does not define its surface temperature; a FieldError with the time and the temperatures
        of the run, a NotConvergedError with what is left to do; else the error as it is.
    """
    found = _find_runaway(space, state, error, end) or _find_steep_face(space, state.temperature, state.time)
    if found is not None:
        return found
    if isinstance(error, NotConvergedError) and error.is_general:
        remedy = (
            "give what jumps with temperature as a table or a smooth expression, or take equal steps (`steps=`)"
            if is_adaptive
            else MORE_STEPS
        )
        return error.advise(remedy)
    if not isinstance(error, FieldError) or not (state.time > 0.0 or _is_physical(space, state)):
        return error
    low, high = float(state.temperature.min()), float(state.temperature.max())
    unit = format_unit(space.problem.temperature_unit)
    reached = f"the run had temperatures from {low:.6g} to {high:.6g}{unit} at t = {state.time:.6g} s and went beyond"
    remedy = "give values for these temperatures, or end the run there" if is_adaptive else MORE_STEPS
    return FieldError(error.field, f"{error.limit}; {reached}: {remedy}")


def explain_steady(space: Space, temperature: FloatArray, error: GridError) -> GridError:
    """Error of a steady state that was not found, with its cause where loads rise with temperature.

    Args:
        temperature: Last field of the relaxation, flat [K].
        error: Of the iteration.
    """
    if not isinstance(error, NotConvergedError | FieldError):
        return error
    name, cell, rate = _find_fastest(space, temperature, 0.0)
    if rate > 0.0:
        reached = f"{temperature[cell]:.6g}{format_unit(space.problem.temperature_unit)}"
        return SingularError(
            f"no steady state was found: {name} rises with temperature, and the body went on warming at {reached}",
            "start from another guess, cool the body more, or solve it in time, to see whether it runs away",
            cell=cell,
        )
    if isinstance(error, NotConvergedError) and error.is_general:
        return error.advise("start from another guess, or solve it in time until it settles")
    return error


def _find_fastest(space: Space, temperature: FloatArray, time: float) -> tuple[str, int, float]:
    """The load that grows fastest by itself, the cell where it does, and its rate there [1/s]; 0 where none does."""
    if not find_variation(space).loads_of_temperature:
        return "", 0, 0.0
    try:
        frozen, loads = freeze(space, temperature, time)
        slopes = _find_slopes(frozen, loads, temperature, time)
    except GridError:
        return "", 0, 0.0
    if not slopes:
        return "", 0, 0.0
    name = max(slopes, key=lambda load: float(slopes[load].max()))
    cell = int(slopes[name].argmax())
    return name, cell, float(slopes[name][cell])


def _is_physical(space: Space, state: State) -> bool:
    """Tell whether all coefficients are physical at a state."""
    try:
        freeze(space, state.temperature, state.time)
    except GridError:
        return False
    return True


def explain_start(space: Space, error: FieldError) -> GridError:
    """The error of coefficients that are not physical at the start of a run, with its cause if that is a face."""
    return _find_steep_face(space, space.initial_temperature(), 0.0) or error


def _find_steep_face(space: Space, temperature: FloatArray, time: float) -> SingularError | None:
    """A flux that rises with the temperature of its surface by more than the half cell behind it conducts."""
    for index, patch in enumerate(space.patches):
        law, near = space.boundaries[index], temperature[patch.cells]
        if not any("T" in value.variables for value in law.flux_values):
            continue
        rise = RISE * max(float(np.abs(near).max()), 1.0)
        try:
            imposed = [space.robin(index, time, near + part).imposed for part in (0.0, rise)]
        except FieldError:
            continue
        slope = float(np.max((np.asarray(imposed[1]) - np.asarray(imposed[0])) / rise))
        half, spacing = float(np.min(space.half_conductance[index])), space.problem.domain.spacing[patch.axis]
        if slope >= half > 0.0:
            return SingularError(
                f"the flux at {patch.name} rises by {slope:.3g} W/(m2 K) with the temperature of its surface, and half "
                f"a cell conducts {half:.3g} W/(m2 K)",
                f"take cells of at most {0.5 * spacing * half / slope:.3g} m along {patch.name[0]}",
            )
    return None


def _find_runaway(space: Space, state: State, error: GridError, end: float) -> RunawayError | None:
    """The runaway that ended a run; None if nothing grows, or too slowly to be the cause."""
    if not isinstance(error, NotConvergedError | StepUnderflowError | FieldError):
        return None
    name, cell, rate = _find_fastest(space, state.temperature, state.time)
    grown = (
        rate * error.step_s / OF_STEP if isinstance(error, StepUnderflowError) else rate * (end - state.time) / E_FOLDS
    )
    if not grown > 1.0:
        return None
    runaway = RunawayError(
        name, float(state.temperature[cell]), space.problem.temperature_unit, 1.0 / rate,
        step=state.step, time_s=state.time, cell=cell,
    )  # fmt: skip
    runaway.place(state.step, state.time, space.shape)
    return runaway
