"""Ticks of forward Euler: the general kernel's steps, modes, heat, and bytes that only field and loads decide."""

from dataclasses import replace

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import HeatProblem
from grid.engine.live.explicit_tick import ExplicitTick
from grid.engine.live.stepping import take_cells
from grid.engine.live.sums import LiveHeat
from grid.engine.methods.explicit import box
from grid.engine.methods.explicit.box import Tiling
from grid.engine.methods.explicit.stepper import ExplicitStepper
from grid.engine.methods.state import Bounds, HeatBalance, State
from grid.engine.space.discretise import discretise

CELLS = {1: [50], 2: [13, 21], 3: [6, 7, 9]}
LAWS = {
    "x_min": {"type": "temperature", "value": {"expression": "300 + 10*y"}},
    "x_max": {"type": "convection", "coefficient": 3.0, "ambient": 350.0},
    "y_min": {"type": "flux", "value": -100.0},
    "z_max": {"type": "temperature", "value": 310.0},
}
SOURCE = {"expression": "1000*exp(-((x - 0.4)/0.2)**2)"}
STEPS = 20


def make_space(make_case, dimension, joined="", **changes):
    laws = {face: law for face, law in LAWS.items() if face[0] in "xyz"[:dimension] and face[0] != joined}
    if dimension == 1:
        laws["x_min"] = {"type": "temperature", "value": 310.0}
    if joined:
        laws |= {f"{joined}_{end}": {"type": "periodic"} for end in ("min", "max")}
    fields = {
        "boundaries": laws,
        "initial": {"expression": "300 + 20*sin(5*x)"},
        "source_term": SOURCE,
        "temperature_unit": "K",
        "material": {"conductivity": [1.0, 2.0, 0.5][:dimension], "volumetric_heat_capacity": 2.0},
        "resolution": {"cells": CELLS[dimension], "steps": 1, "end_time": 1.0},
    }
    if dimension == 1:
        fields["material"] = {"conductivity": 1.0, "volumetric_heat_capacity": 2.0}
    return discretise(HeatProblem.from_case(make_case(dimension, **(fields | changes))))


def find_tick(space, steps=STEPS):
    """A third of the limit of a cell whose faces are all held."""
    return steps * 0.3 / sum(3.0 * g for g in box.Box(space).conductance) * float(space.capacity[0])


@pytest.mark.jit
@pytest.mark.parametrize(
    ("dimension", "joined"), [(1, ""), (2, ""), (2, "x"), (2, "y"), (3, ""), (3, "x"), (3, "z"), (1, "x")]
)
def test_a_tick_is_the_general_kernel_but_for_rounding(make_case, dimension, joined):
    space = make_space(make_case, dimension, joined)
    tick = find_tick(space)
    general = ExplicitStepper(space, tick / STEPS)
    state = State(0.0, 0, space.initial_temperature(), HeatBalance(), Bounds(0.0, 1e3))
    segment = general.make_segment(0.0, tick)
    expected = general._advance_any(state, segment, 0, segment.steps)
    before = general._advance_any(state, segment, 0, segment.steps - 1)

    stepper = ExplicitTick(space, STEPS)
    field, heat = stepper.advance(stepper.wrap(space.initial_temperature()), space.loads(0.0), tick)

    assert segment.steps == STEPS
    np.testing.assert_allclose(stepper.unwrap(field), expected.temperature, rtol=1e-13)
    np.testing.assert_allclose(take_cells(stepper.window, field.values).reshape(-1), expected.temperature, rtol=1e-13)
    np.testing.assert_allclose(take_cells(stepper.window, field.before).reshape(-1), before.temperature, rtol=1e-13)
    for name in ("boundary_in", "boundary_out", "generated"):
        assert getattr(heat, name) == pytest.approx(getattr(expected.heat_balance, name), rel=1e-11, abs=1e-11)
    assert heat.error == pytest.approx(np.abs(expected.temperature - before.temperature).max(), rel=1e-9)


@pytest.mark.jit
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_driven_mode_grows_as_the_scheme_says(make_case, dimension):
    """A cosine in an insulated box is an eigenvector; a source in its shape adds a geometric series."""
    shape = "*".join(f"cos(pi*{axis})" for axis in "xyz"[:dimension])
    space = make_space(make_case, dimension, boundaries={}, initial=0.0, source_term={"expression": shape})
    tick, loads = find_tick(space), space.loads(0.0)
    stepper = ExplicitTick(space, STEPS)
    numbers = np.array(box.Box(space).mesh_fourier(tick / STEPS))[-dimension:]
    factor = 1.0 - sum(
        4 * number * np.sin(np.pi / (2 * count)) ** 2 for number, count in zip(numbers, CELLS[dimension], strict=True)
    )
    gain = tick / STEPS * space.rate * loads.source

    field, _ = stepper.advance(stepper.wrap(space.initial_temperature()), loads, tick)

    expected = gain * (1.0 - factor**STEPS) / (1.0 - factor)
    np.testing.assert_allclose(stepper.unwrap(field), expected, atol=1e-13 * np.abs(expected).max())


def test_the_heat_of_a_thousand_ticks_closes(make_case):
    space = make_space(make_case, 2)
    stepper, loads, tick = ExplicitTick(space, STEPS), space.loads(0.0), find_tick(space)
    field, heat = stepper.wrap(space.initial_temperature()), LiveHeat()
    for _ in range(1000):
        following, moved = stepper.advance(field, loads, tick)
        stepper.release(field)
        field, heat = following, heat.add(moved.boundary_in, moved.boundary_out, moved.generated)

    change = float(((stepper.unwrap(field) - space.initial_temperature()) * space.capacity).sum())
    assert change == pytest.approx(heat.net, abs=1e-12 * heat.moved)


@pytest.mark.parametrize("dimension", [2, 3])
def test_neither_threads_nor_tiles_change_a_byte(make_case, dimension):
    cells = {2: [61, 83], 3: [29, 23, 18]}[dimension]
    space = make_space(make_case, dimension, resolution={"cells": cells, "steps": 1, "end_time": 1.0})
    tick, results = find_tick(space), []
    for cut, threads in [(None, 1), (None, 2), (Tiling(1, 10_000, 1), 1), (Tiling(4, 16, 3), 3), (Tiling(3, 9, 4), 4)]:
        stepper = ExplicitTick(space, STEPS, threads)
        if cut is not None:
            stepper.__dict__["_tiling"] = cut
        field, heat = stepper.advance(stepper.wrap(space.initial_temperature()), space.loads(0.0), tick)
        results.append((stepper.unwrap(field).tobytes(), heat))

    assert all(result == results[0] for result in results)


@pytest.mark.jit
@pytest.mark.parametrize(("dimension", "joined"), [(1, ""), (2, ""), (2, "x"), (3, "")])
def test_a_field_and_its_loads_decide_the_bytes(make_case, dimension, joined):
    space = make_space(make_case, dimension, joined)
    stepper, loads, tick = ExplicitTick(space, STEPS), space.loads(0.0), find_tick(space)
    start = stepper.wrap(space.initial_temperature())
    kept = start.values.copy()
    with np.errstate(invalid="ignore"):
        broken, _ = stepper.advance(stepper.wrap(np.full(space.capacity.size, np.nan)), loads, tick)
    stepper.release(broken)

    chained, cut = start, start
    for _ in range(3):
        following, heat = stepper.advance(chained, loads, tick)
        if chained is not start:
            stepper.release(chained)
        chained = following
        fresh = ExplicitTick(space, STEPS)
        again, also = fresh.advance(fresh.wrap(stepper.unwrap(cut)), replace(loads), tick)
        cut = fresh.wrap(fresh.unwrap(again))
        assert heat == also

    assert stepper.unwrap(chained).tobytes() == stepper.unwrap(cut).tobytes()
    assert start.values.tobytes() == kept.tobytes()


@pytest.mark.jit
def test_other_loads_take_effect_at_once(make_case):
    space = make_space(make_case, 2)
    stepper, loads, tick = ExplicitTick(space, STEPS), space.loads(0.0), find_tick(space)
    start = stepper.wrap(space.initial_temperature())
    stepper.advance(start, loads, tick)

    _, quiet = stepper.advance(start, replace(loads, source=None), tick)
    _, strong = stepper.advance(start, replace(loads, source=3.0 * loads.source), tick)

    assert quiet.generated == 0.0
    assert strong.generated == pytest.approx(3.0 * loads.source.sum() * tick)


@pytest.mark.jit
def test_a_uniform_body_stays_so_to_the_last_bit(make_case):
    space = make_space(make_case, 2, boundaries={}, source_term=0.0)
    stepper = ExplicitTick(space, STEPS)
    start = stepper.wrap(np.full(space.capacity.size, 293.15))
    field, heat = stepper.advance(start, space.loads(0.0), find_tick(space))

    assert np.ptp(stepper.unwrap(field)) == 0.0
    assert heat == (0.0, 0.0, 0.0, 0.0, 1)


@pytest.mark.jit
@np.errstate(invalid="ignore")
def test_a_field_that_is_no_number_shows_in_the_error(make_case):
    space = make_space(make_case, 2)
    stepper, start = ExplicitTick(space, STEPS), space.initial_temperature().copy()
    start[7] = np.inf

    assert np.isnan(stepper.advance(stepper.wrap(start), space.loads(0.0), find_tick(space))[1].error)


@pytest.mark.jit
def test_what_it_cannot_advance_is_refused(make_case):
    regions = [{"conductivity": 1.0, "volumetric_heat_capacity": 1.0, "where": {"expression": f"x {sign} 0.5"}}
               for sign in ("<", ">=")]  # fmt: skip
    with pytest.raises(FieldError, match="method"):
        ExplicitTick(make_space(make_case, 2, material=regions), STEPS)

    space = make_space(make_case, 2)
    stepper = ExplicitTick(space, STEPS)
    with pytest.raises(FieldError, match="tick"):
        stepper.advance(stepper.wrap(space.initial_temperature()), space.loads(0.0), 4.0 * find_tick(space))
