"""Fronts and hills carried by a flow, beside exact solutions and plain central differences."""

import math

import numpy as np
import pytest
from scipy import sparse, special
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import expm_multiply

from grid.engine import HeatProblem, solve

pytestmark = pytest.mark.usefixtures("without_coverage")


def centres(cells, length=1.0):
    return (np.arange(cells) + 0.5) * length / cells


def gauss(x, time, start, speed, diffusivity, width, length=None):
    """A hill exp(-(x - start)^2 / width) after a time, on an endless line or on a ring."""
    spread = width + 4.0 * diffusivity * time
    rounds = (0.0,) if length is None else np.arange(-6, 7) * length
    coordinates = [x - start - speed * time - shift for shift in rounds]
    return math.sqrt(width / spread) * sum(np.exp(-(place**2) / spread) for place in coordinates)


def central_matrix(cells, size, diffusivity, velocity, *, is_ring=False):
    """dT/dt of central differences; open ends let out and in what has the temperature of the cell."""
    index = np.arange(math.prod(cells)).reshape(cells)
    rows, columns, values = [], [], []
    for axis, (count, length) in enumerate(zip(cells, size, strict=True)):
        conducted, carried = diffusivity[axis] * (count / length) ** 2, velocity[axis] * count / length
        low, high = index.take(range(count - 1), axis).ravel(), index.take(range(1, count), axis).ravel()
        first, last = index.take([0], axis).ravel(), index.take([count - 1], axis).ravel()
        entries = [
            (low, low, -0.5 * carried - conducted),
            (low, high, -0.5 * carried + conducted),
            (high, low, 0.5 * carried + conducted),
            (high, high, 0.5 * carried - conducted),
        ]
        if is_ring:
            entries += [
                (last, last, -0.5 * carried - conducted),
                (last, first, -0.5 * carried + conducted),
                (first, last, 0.5 * carried + conducted),
                (first, first, 0.5 * carried - conducted),
            ]
        else:
            entries += [(first, first, carried), (last, last, -carried)]
        for row, column, value in entries:
            rows.append(row)
            columns.append(column)
            values.append(np.full(row.size, value))
    entry = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_matrix(entry, shape=(index.size,) * 2).tocsr()


def carried_hill(cells, size, diffusivity, velocity, end, start, width, *, is_ring=False):
    """A case, its exact field at the end, and that of central differences."""
    axes = "xyz"[: len(cells)]
    shifts = (-1, 0, 1) if is_ring else (0,)
    hill = "*".join(
        "(" + "+".join(f"exp(-(({axis}-{place + shift!r})**2)/{width!r})" for shift in shifts) + ")"
        for axis, place in zip(axes, start, strict=True)
    )
    case = {
        "dimension": len(cells),
        "domain": {"size": list(size)},
        "material": {"conductivity": list(diffusivity), "volumetric_heat_capacity": 1.0},
        "velocity": list(velocity),
        "initial": {"expression": hill},
        "boundaries": {f"{axis}_{side}": {"type": "periodic"} for axis in axes for side in ("min", "max")},
        "resolution": {"cells": list(cells), "end_time": end},
    }
    if not is_ring:
        del case["boundaries"]

    def field(time):
        lines = [
            gauss(centres(n, length), time, place, v, a, width, length if is_ring else None)
            for n, length, place, v, a in zip(cells, size, start, velocity, diffusivity, strict=True)
        ]
        out = lines[0]
        for line in lines[1:]:
            out = np.multiply.outer(out, line)
        return out

    matrix = central_matrix(cells, size, diffusivity, velocity, is_ring=is_ring)
    central = expm_multiply(matrix * end, field(0.0).ravel()).reshape(cells)
    return case, field(end), central


def rms(values):
    return float(np.sqrt(np.mean(values**2)))


def test_a_hill_at_cell_peclet_1_gains_no_diffusion():
    """A flux fitted to steady states would add 8 % of diffusion; the exact peak at the cells is 0.4078."""
    case, exact, central = carried_hill((120,), (1.2,), (0.01,), (1.0,), 0.5, (0.35,), 0.004)
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    assert np.abs(solution.final - exact).max() <= 1.2 * np.abs(central - exact).max()
    assert solution.final.max() == pytest.approx(exact.max(), abs=0.002)


@pytest.mark.parametrize("seed", range(6))
def test_hills_up_to_cell_peclet_2_are_as_good_as_with_central_differences(seed):
    rng = np.random.default_rng(seed)
    cells = [(int(rng.integers(60, 120)),), (30, 36), (14, 12, 16)][seed % 3]
    peclet, size = rng.uniform(0.5, 2.0), (1.0,) * len(cells)
    velocity = [float(v) for v in rng.uniform(0.4, 1.0, len(cells)) * rng.choice([-1.0, 1.0], len(cells))]
    diffusivity = [abs(v) / n / peclet for v, n in zip(velocity, cells, strict=True)]
    start, width = [0.5] * len(cells), 0.01 if len(cells) < 3 else 0.02
    case, exact, central = carried_hill(cells, size, diffusivity, velocity, 0.25, start, width, is_ring=True)
    solution = solve(HeatProblem.from_case(case))

    slack = 2e-4  # of the span 1: the tolerance in time is 1e-4
    assert np.abs(solution.final - exact).max() <= 1.2 * np.abs(central - exact).max() + slack
    assert rms(solution.final - exact) <= 1.2 * rms(central - exact) + slack


@pytest.mark.parametrize("peclet", [1.5, 5.0, 20.0, 1e6])
def test_smooth_hills_converge_at_second_order_at_every_cell_peclet_number(peclet):
    """The cell Peclet number is that of the finer grid; the diffusivity is the same on both."""
    errors = []
    for cells in (64, 128):
        case, exact, _ = carried_hill((cells,), (1.0,), (1.0 / 128 / peclet,), (1.0,), 0.3, (0.35,), 0.01)
        solution = solve(HeatProblem.from_case(case), tolerance=1e-5)
        assert solution.is_accepted
        errors.append((rms(solution.final - exact), np.abs(solution.final - exact).max()))

    orders = np.log2(np.array(errors[0]) / np.array(errors[1]))
    assert orders.min() >= 1.8


@pytest.mark.parametrize("peclet", [3.0, 30.0, 1e6])
def test_a_carried_box_keeps_monotone_sides_and_its_heat(peclet):
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": 1.0 / 60 / peclet, "volumetric_heat_capacity": 1.0},
        "velocity": [-1.0],
        "initial": {"expression": "where((x > 0.5) & (x < 0.8), 1.0, 0.0)"},
        "resolution": {"cells": [60], "end_time": 0.3},
    }
    solution = solve(HeatProblem.from_case(case))
    rises = np.diff(solution.final)
    top = int(solution.final.argmax())

    assert solution.is_accepted
    moved = solution.metrics["heat_in"] - solution.metrics["heat_out"]
    assert solution.metrics["stored_heat_change"] == pytest.approx(moved, abs=1e-12)
    assert rises[:top].min() >= -1e-4  # the tolerance in time
    assert rises[top:].max() <= 1e-4


@pytest.mark.parametrize("peclet", [1.0, 5.0, 200.0])
def test_a_front_from_a_held_face_is_better_than_with_central_differences(peclet):
    """A. Ogata, R. B. Banks, USGS Professional Paper 411-A, 1961."""
    cells, speed, end = 80, 1.0, 0.4
    diffusivity = speed / cells / peclet
    x, scale = centres(cells), 2.0 * math.sqrt(diffusivity * end)
    near, far = (x - speed * end) / scale, (x + speed * end) / scale
    exact = 0.5 * (special.erfc(near) + np.exp(-(near**2)) * special.erfcx(far))
    matrix = central_matrix((cells,), (1.0,), (diffusivity,), (speed,)).tolil()
    matrix[0, 0] -= speed * cells + 2.0 * diffusivity * cells**2  # the face is held at 1
    source = np.zeros(cells)
    source[0] = speed * cells + 2.0 * diffusivity * cells**2
    whole = sparse.bmat([[matrix, source[:, None]], [None, np.zeros((1, 1))]]).tocsr()
    central = expm_multiply(whole * end, np.append(np.zeros(cells), 1.0))[:-1]
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": diffusivity, "volumetric_heat_capacity": 1.0},
        "velocity": [speed],
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 1.0}},
        "resolution": {"cells": [cells], "end_time": end},
    }
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    limit = 1.2 if peclet <= 2.0 else 0.8
    assert np.abs(solution.final - exact).max() <= limit * np.abs(central - exact).max() + 1e-4


@pytest.mark.parametrize(("speed", "limit"), [(0.3, 1e-3), (3.0, 0.006)])
def test_a_flow_with_a_conductivity_of_temperature_meets_scipy(speed, limit):
    """k = a (1 + T), on a grid nine times as fine; at cell Peclet numbers of 0.5 to 1 and of 5 to 10."""
    cells, a = 60, 0.005
    conductivity = {"expression": f"{a} * (1 + T)"}

    def right_side(count):
        spacing = 1.0 / count

        def rate(_, field):
            k = a * (1.0 + 0.5 * (field[1:] + field[:-1]))
            flux = 0.5 * speed * (field[1:] + field[:-1]) - k * np.diff(field) / spacing
            whole = np.concatenate([[speed * field[0]], flux, [speed * field[-1]]])
            return -np.diff(whole) / spacing

        return rate

    fine = 9 * cells
    x, end = centres(fine), 0.3 / speed
    start = np.exp(-((x - 0.35) ** 2) / 0.01)
    found = solve_ivp(right_side(fine), (0.0, end), start, method="LSODA", rtol=1e-8, atol=1e-9, lband=1, uband=1)
    reference = found.y[:, -1].reshape(cells, -1)[:, fine // cells // 2]
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": conductivity, "volumetric_heat_capacity": 1.0},
        "velocity": [speed],
        "initial": {"expression": "exp(-(x-0.35)**2/0.01)"},
        "resolution": {"cells": [cells], "end_time": end},
    }
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    np.testing.assert_allclose(solution.final, reference, atol=limit)
