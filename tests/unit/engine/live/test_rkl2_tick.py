"""Ticks of RKL2: its stages in differences, order, heat, error, and bytes that nothing but field and loads decides."""

from dataclasses import replace

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import HeatProblem
from grid.engine.live.rkl2_tick import Rkl2Tick
from grid.engine.live.stepping import take_cells
from grid.engine.live.sums import LiveHeat
from grid.engine.methods.padded.grid import Layout
from grid.engine.methods.rkl2.rate import SpaceFlow
from grid.engine.methods.rkl2.stepper import Rkl2Stepper
from grid.engine.methods.state import Segment
from grid.engine.space.discretise import discretise
from grid.engine.space.sums import sum_conductances

CELLS = {1: [19], 2: [13, 21], 3: [6, 7, 9]}
SIZES = {1: [1.0], 2: [1.0, 1.6], 3: [1.0, 1.1, 1.5]}
LAWS = {
    "x_min": {"type": "temperature", "value": {"expression": "300 + 10*sin(3*y)"}},
    "x_max": {"type": "convection", "coefficient": 30.0, "ambient": 350.0},
    "y_min": {"type": "flux", "value": -100.0},
    "z_max": {"type": "temperature", "value": 310.0},
}
TWO = [
    {"conductivity": 1.0, "volumetric_heat_capacity": 2.0, "where": {"expression": "x < 0.5"}},
    {"conductivity": 3.0, "volumetric_heat_capacity": 1.0, "where": {"expression": "x >= 0.5"}},
]
KINDS = ["one", "axes", "two", "masked", "damaged", "x", "y", "z", "two y"]
EXTENT = 51.0  # [-] tick times spectral radius, as 64 explicit steps


def make_space(make_case, dimension, kind="one", **changes):
    laws = {face: law for face, law in LAWS.items() if face[0] in "xyz"[:dimension]}
    if dimension == 1:
        laws["x_min"] = {"type": "temperature", "value": 310.0}
    fields = {
        "domain": {"coordinates": "cartesian", "size": SIZES[dimension]},
        "initial": {"expression": "300 + 20*sin(5*x)"},
        "source_term": {"expression": "1000*exp(-((x - 0.4)/0.2)**2)"},
        "temperature_unit": "K",
        "resolution": {"cells": CELLS[dimension], "steps": 1, "end_time": 1.0},
    }
    if kind == "axes":
        conductivity = [1.0, 2.0, 0.5][:dimension] if dimension > 1 else 2.0
        fields["material"] = {"conductivity": conductivity, "volumetric_heat_capacity": 2.0}
    if "two" in kind:
        fields["material"] = TWO
    if kind == "masked":
        hole = "(x - 0.5)**2 + (y - 0.5)**2 > 0.04" if dimension > 1 else "x < 0.7"
        fields["domain"] = fields["domain"] | {"active": {"expression": hole}}
    axis = kind[-1]
    if axis in "xyz":
        laws = {face: law for face, law in laws.items() if face[0] != axis}
        laws |= {f"{axis}_{end}": {"type": "periodic"} for end in ("min", "max")}
    fields["boundaries"] = laws
    space = discretise(HeatProblem.from_case(make_case(dimension, **(fields | changes))))
    return damage(space) if kind == "damaged" else space


def damage(space):
    """A third of the conductance of some faces."""
    conductances = [conductance.copy() for conductance in space.conductances]
    for conductance in conductances:
        conductance[tuple(slice(count // 3, count // 2) for count in conductance.shape)] /= 3.0
    return replace(space, conductances=tuple(conductances))


def find_stiffness(space):
    """With every face held."""
    total = 2.0 * sum_conductances(space)
    for patch, half in zip(space.patches, space.half_conductance, strict=True):
        np.add.at(total, patch.cells, half * patch.area)
    return float(np.max(total * space.rate))


def make_tick(space, threads=1, extent=EXTENT):
    stiffness = find_stiffness(space)
    return Rkl2Tick(space, extent / stiffness, stiffness, threads)


def inside(space):
    return slice(None) if space.active is None else space.active


def possible(dimensions=(1, 2, 3), kinds=KINDS):
    return [(d, kind) for d in dimensions for kind in kinds if kind[-1] not in "xyz" or kind[-1] in "xyz"[:d]]


@pytest.mark.jit
@pytest.mark.parametrize(("dimension", "kind"), possible())
def test_a_tick_is_a_super_step_of_rkl2(make_case, dimension, kind):
    """Against the stages with temperatures, whose coefficients are those of `Space.heat_flow`."""
    space = make_space(make_case, dimension, kind)
    stepper, start = make_tick(space), space.initial_temperature()
    general = Rkl2Stepper(space, SpaceFlow(space), SpaceFlow(space), (1.0,), 1.0, 1e-3, 1.0)
    loads = space.loads(0.0)

    def find_rate(temperature):
        return space.rate * space.heat_flow(temperature, loads).net

    expected, heat = start, np.zeros(3)
    if kind == "damaged":  # coefficients of the flow are those of the material
        general.flow.stage = lambda out, x, *rest: _stage(space, loads, out, x, *rest)
    rate, moved = general._rate(start, 0.0)
    expected, heat = general._super_step(start, rate, moved, Segment(0.0, stepper.tick, 1), EXTENT)

    field, found = stepper.advance(stepper.wrap(start), loads, stepper.tick)

    some = inside(space)
    end = stepper.unwrap(field)
    np.testing.assert_allclose(end[some], expected[some], rtol=1e-13)
    assert found.boundary_in - found.boundary_out == pytest.approx(heat[0] - heat[1], rel=1e-11, abs=1e-11)
    assert found.generated == pytest.approx(heat[2], rel=1e-13)
    local = 0.8 * (start - end) + 0.4 * stepper.tick * (find_rate(start) + find_rate(end))
    assert found.error == pytest.approx(np.abs(local[some]).max(), rel=1e-9)
    after = take_cells(stepper.window, field.rate).reshape(-1)
    np.testing.assert_allclose(after[some], find_rate(end)[some], atol=1e-11 * np.abs(find_rate(start)[some]).max())


def _stage(space, loads, out, x, start, first, weights, _time):
    from grid.engine.methods.rkl2.rate import Moved

    flow = space.heat_flow(x, loads)
    mu, nu, kappa, forward, backward = weights
    out *= nu
    out += mu * x + kappa * start + forward * (space.rate * flow.net) + backward * first
    return Moved(flow.boundary_in, flow.boundary_out, flow.generated)


def test_it_is_second_order_in_the_tick(make_case):
    """A cosine decays in an insulated box at the eigenvalue of the grid; a source in its shape moves where it ends."""
    problem = make_case(
        2, initial=0.0, boundaries={}, source_term={"expression": "cos(pi*x)"}, domain={
            "coordinates": "cartesian", "size": [1.0, 0.5]}, resolution={"cells": [40, 20], "steps": 1, "end_time": 1.0}
    )  # fmt: skip
    space = discretise(HeatProblem.from_case(problem))
    loads, stiffness = space.loads(0.0), find_stiffness(space)
    eigenvalue, end = 4 * 40**2 * np.sin(np.pi / 80) ** 2, 0.1
    settled = space.rate * loads.source / eigenvalue
    exact = settled * -np.expm1(-eigenvalue * end)
    errors = []
    for count in (4, 8, 16):
        stepper = Rkl2Tick(space, end / count, stiffness)
        field, estimate = stepper.wrap(space.initial_temperature()), 0.0
        for _ in range(count):
            field, heat = stepper.advance(field, loads, end / count)
            estimate += heat.error
        errors.append(np.abs(stepper.unwrap(field) - exact).max())
        assert 0.3 * errors[-1] <= estimate <= 6.0 * errors[-1]

    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.3)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize(("dimension", "kind"), possible((2,), ["one", "two", "masked"]))
def test_the_heat_of_a_thousand_ticks_closes(make_case, dimension, kind):
    space = make_space(make_case, dimension, kind)
    stepper, loads = make_tick(space), space.loads(0.0)
    field, heat = stepper.wrap(space.initial_temperature()), LiveHeat()
    for _ in range(1000):
        following, moved = stepper.advance(field, loads, stepper.tick)
        stepper.release(field)
        field, heat = following, heat.add(moved.boundary_in, moved.boundary_out, moved.generated)

    change = (stepper.unwrap(field) - space.initial_temperature()) * space.capacity
    assert change[inside(space)].sum() == pytest.approx(heat.net, abs=1e-12 * heat.moved)


@pytest.mark.parametrize(("dimension", "kind"), [(1, "one"), (2, "one"), (2, "two"), (3, "one"), (3, "two")])
def test_neither_threads_nor_waves_change_a_byte(make_case, monkeypatch, dimension, kind):
    cells = {1: [500], 2: [90, 21], 3: [40, 6, 9]}[dimension]
    resolution = {"cells": cells, "steps": 1, "end_time": 1.0}
    space = make_space(make_case, dimension, kind, resolution=resolution)
    loads, results = space.loads(0.0), []
    for levels, threads in [(12, 1), (12, 2), (1, 1), (3, 1), (3, 4), (5, 3)]:
        monkeypatch.setattr(Layout, "levels_at_once", levels)
        stepper = make_tick(space, threads)
        field, first = stepper.advance(stepper.wrap(space.initial_temperature()), loads, stepper.tick)
        field, second = stepper.advance(field, loads, stepper.tick, 2)
        results.append((stepper.unwrap(field).tobytes(), first, second))

    assert all(result == results[0] for result in results)


@pytest.mark.jit
@pytest.mark.parametrize(("dimension", "kind"), possible((2, 3), ["one", "masked", "y", "x"]))
def test_a_field_and_its_loads_decide_the_bytes(make_case, dimension, kind):
    """Whatever was advanced before, in whatever arrays, and whether the rate of change is known or not."""
    space = make_space(make_case, dimension, kind)
    stepper, loads = make_tick(space), space.loads(0.0)
    equal = replace(loads)
    start = stepper.wrap(space.initial_temperature())
    before = start.values.copy()
    with np.errstate(invalid="ignore"):
        broken, _ = stepper.advance(stepper.wrap(np.full(space.capacity.size, np.nan)), loads, stepper.tick)
    stepper.release(broken)

    chained, cut = start, start
    for _ in range(3):
        following, heat = stepper.advance(chained, loads, stepper.tick)
        if chained is not start:
            stepper.release(chained)
        chained = following
        fresh = make_tick(space)
        again, also = fresh.advance(fresh.wrap(stepper.unwrap(cut)), equal, stepper.tick)
        cut = fresh.wrap(fresh.unwrap(again))
        assert heat == also

    other, _ = stepper.advance(chained, equal, stepper.tick)
    same, _ = stepper.advance(chained, loads, stepper.tick)
    assert stepper.unwrap(chained).tobytes() == stepper.unwrap(cut).tobytes()
    assert stepper.unwrap(other).tobytes() == stepper.unwrap(same).tobytes()
    assert start.values.tobytes() == before.tobytes()


@pytest.mark.jit
def test_other_loads_take_effect_at_once(make_case):
    space = make_space(make_case, 2)
    stepper, loads = make_tick(space), space.loads(0.0)
    field, _ = stepper.advance(stepper.wrap(space.initial_temperature()), loads, stepper.tick)
    stronger = replace(loads, source=3.0 * loads.source)

    _, heat = stepper.advance(field, stronger, stepper.tick)
    fresh, expected = stepper.advance(stepper.wrap(stepper.unwrap(field)), stronger, stepper.tick)

    assert heat == expected
    assert heat.generated == pytest.approx(3.0 * loads.source.sum() * stepper.tick)
    assert stepper.unwrap(fresh).size == space.capacity.size


def test_sub_steps_cut_the_error(make_case):
    space = make_space(make_case, 2, "two")
    stepper, loads = make_tick(space), space.loads(0.0)
    field = stepper.wrap(space.initial_temperature())
    for _ in range(20):
        field, _ = stepper.advance(field, loads, stepper.tick)

    whole, halves = (stepper.advance(field, loads, stepper.tick, count)[1] for count in (1, 2))

    assert halves.error < 0.5 * whole.error
    assert halves.substeps == 2
    assert halves.generated == whole.generated
    assert stepper.count_stages(2) < stepper.count_stages()


@pytest.mark.jit
@pytest.mark.parametrize("kind", ["one", "two"])
def test_a_uniform_body_stays_so_to_the_last_bit(make_case, kind):
    space = make_space(make_case, 2, kind, boundaries={}, source_term=0.0)
    stepper = make_tick(space)
    field, heat = stepper.advance(stepper.wrap(np.full(space.capacity.size, 293.15)), space.loads(0.0), stepper.tick)

    assert np.ptp(stepper.unwrap(field)) == 0.0
    assert heat == (0.0, 0.0, 0.0, 0.0, 1)


@pytest.mark.jit
@np.errstate(invalid="ignore")
def test_a_field_that_is_no_number_shows_in_the_error(make_case):
    space = make_space(make_case, 2)
    stepper, start = make_tick(space), space.initial_temperature().copy()
    start[7] = np.inf

    assert np.isnan(stepper.advance(stepper.wrap(start), space.loads(0.0), stepper.tick)[1].error)


@pytest.mark.parametrize(
    "change",
    [
        {"material": {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}},
        {"velocity": [1.0, 0.0]},
    ],
)
def test_what_it_cannot_advance_is_refused(make_case, change):
    space = make_space(make_case, 2, boundaries={}, **change)

    with pytest.raises(FieldError, match="method"):
        Rkl2Tick(space, 1.0, 1.0)
