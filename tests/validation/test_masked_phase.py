"""Phase change in a masked body: the similarity solution, the same body without a mask, and a method of its own."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import brentq
from scipy.sparse.linalg import spsolve

from grid.engine import HeatProblem, prepare, solve
from grid.engine.errors import CancelledError
from grid.engine.methods.implicit.phase_change import EnthalpyStepper

SHARP = {
    "conductivity": 0.6,
    "volumetric_heat_capacity": 4.2e6,
    "volumetric_latent_heat": 42e6,
    "melting_temperature": 0.0,
}
NODES = ((0.0, 0.0), (52.0, 9.3e7), (56.0, 2.6e8), (100.0, 3.5e8))  # K, J/m3
METAL = {"conductivity": 160.0, "density": 2700.0, "specific_heat": 900.0}
WAX = {"conductivity": 0.25, "volumetric_enthalpy": {"table": [list(node) for node in NODES]}}
HOT = {"table": [[0.0, 20.0], [50.0, 80.0], [600.0, 80.0], [640.0, 20.0]]}


def run(case, **arguments):
    solution = solve(HeatProblem.from_case(case), **arguments)
    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    return solution


def box(cells=(24, 20), **changes):
    """A box of metal with one fin, filled with wax up to 16 mm; 1 mm cells, and nothing above the wax."""
    metal = "(y < 0.002) | (x < 0.002) | (x > 0.022) | ((x > 0.011) & (x < 0.013) & (y < 0.014))"
    air = {"type": "convection", "coefficient": 5.0, "ambient": 20.0}
    return {
        "dimension": 2,
        "temperature_unit": "relative",
        "domain": {
            "size": [0.024, 0.020],
            "active": {"expression": "(y < 0.016) | (x < 0.002) | (x > 0.022)"},
        },
        "material": [
            {**METAL, "where": {"expression": metal}},
            {**WAX, "where": {"expression": f"where({metal}, 0, 1) > 0"}},
        ],
        "initial": 20.0,
        "boundaries": {
            "y_min": {"type": "convection", "coefficient": 400.0, "ambient": HOT},
            **{face: dict(air) for face in ("internal", "x_min", "x_max", "y_max")},
        },
        "resolution": {"cells": list(cells), "end_time": 900.0},
        **changes,
    }


def stefan_case(kept="y < 0.001", **changes):
    """A front from a held face in a layer of a box; the rest of the box is masked."""
    return {
        "dimension": 2,
        "domain": {"size": [0.01, 0.003], "active": {"expression": kept}},
        "material": SHARP,
        "initial": 0.0,
        "initial_phase": "liquid",
        "boundaries": {"x_min": {"type": "temperature", "value": -20.0}},
        "temperature_unit": "relative",
        "resolution": {"cells": [100, 6], "end_time": 100.0},
        **changes,
    }


@pytest.mark.parametrize(("face", "kept"), [("x_min", "y < 0.001"), ("x_max", "y > 0.001")])
def test_a_layer_of_a_masked_box_freezes_as_the_similarity_solution_says(face, kept):
    stefan_number = 20.0 * SHARP["volumetric_heat_capacity"] / SHARP["volumetric_latent_heat"]
    equation = lambda x: math.sqrt(math.pi) * x * math.exp(x * x) * math.erf(x) - stefan_number  # noqa: E731 short
    way = 2.0 * brentq(equation, 1e-6, 3.0) * math.sqrt(0.6 / 4.2e6 * 100.0)
    case = stefan_case(kept, boundaries={face: {"type": "temperature", "value": -20.0}})
    solution = run(case, times=[50.0, 100.0], tolerance=1e-3)

    front = solution.melting_front("+x" if face == "x_min" else "-x")
    assert abs(front - (0.0 if face == "x_min" else 0.01)) == pytest.approx(way, rel=0.01)
    body = solution.body
    assert np.isnan(solution.liquid_fraction()[~body]).all()
    assert np.isfinite(solution.liquid_fraction()[body]).all()


@pytest.mark.parametrize("material", [SHARP, {**WAX, "conductivity": 1.0}])
def test_a_masked_layer_is_the_box_of_its_cells(material):
    start = 60.0 if material is not SHARP else 3.0
    changes = {"material": material, "initial": start, "initial_phase": "liquid"}
    masked = run(stefan_case(**changes), steps=60)
    plain = stefan_case(**changes, domain={"size": [0.01, 0.001]}, resolution={"cells": [100, 2], "end_time": 100.0})
    plain = run(plain, steps=60)

    assert np.abs(masked.final[:, :2] - plain.final).max() < 1e-5 * (start + 20.0)
    assert masked.metrics["heat_out"] == pytest.approx(plain.metrics["heat_out"], rel=1e-6)


def make_reference(times, step):
    """Backward Euler for the enthalpy of the box of `box`, at half steps as well and extrapolated; fields of the body.

    Conductances, films and enthalpies are written down again here, and every stage is solved by Newton's method for
    the temperatures to 1e-9 K.
    """
    nx, ny = 24, 20
    x, y = np.meshgrid((np.arange(nx) + 0.5), (np.arange(ny) + 0.5), indexing="ij")
    active = (y < 16) | (x < 2) | (x > 22)
    metal = (y < 2) | (x < 2) | (x > 22) | ((x > 11) & (x < 13) & (y < 14))
    number = np.full((nx, ny), -1)
    number[active] = np.arange(active.sum())
    k = np.where(metal, 160.0, 0.25)
    count, spacing = int(active.sum()), 1e-3
    rows, columns, values, own = [], [], [], np.zeros(count)
    fixed, plate = np.zeros(count), np.zeros(count)
    for i, j in itertools.product(range(nx), range(ny)):
        if not active[i, j]:
            continue
        for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            a, b = i + di, j + dj
            if 0 <= a < nx and 0 <= b < ny and active[a, b]:
                g = 2.0 / (1.0 / k[i, j] + 1.0 / k[a, b])
                rows, columns, values = [*rows, number[i, j]], [*columns, number[a, b]], [*values, -g]
                own[number[i, j]] += g
            else:
                film = 400.0 if (j == 0 and dj == -1) else 5.0
                u = spacing / (1.0 / film + 0.5 * spacing / k[i, j])
                own[number[i, j]] += u
                (plate if film == 400.0 else fixed)[number[i, j]] += u
    matrix = (sparse.coo_matrix((values, (rows, columns)), (count, count)) + sparse.diags(own)).tocsc()
    nodes, contents = np.array(NODES).T
    wax, volume = ~metal[active], spacing**2

    def content(temperature):
        piece = np.clip(np.searchsorted(nodes, temperature, side="right") - 1, 0, 2)
        slope = np.diff(contents)[piece] / np.diff(nodes)[piece]
        stored = contents[piece] + slope * (temperature - nodes[piece])
        return volume * np.where(wax, stored, 2.43e6 * temperature), volume * np.where(wax, slope, 2.43e6)

    def march(size):
        temperature, fields = np.full(count, 20.0), []
        for index in range(1, round(times[-1] / size) + 1):
            now = index * size
            load = fixed * 20.0 + plate * np.interp(now, *np.array(HOT["table"]).T)
            stored = content(temperature)[0]
            for turn in range(60):
                found, slope = content(temperature)
                left = stored + size * (load - matrix @ temperature) - found
                change = spsolve(sparse.diags(slope) + size * matrix, left)
                temperature = temperature + (change if turn < 20 else 0.5 * change)
                if np.abs(change).max() < 1e-9:
                    break
            if any(abs(now - time) < 1e-9 for time in times):
                fields.append(temperature)
        return np.stack(fields)

    return 2.0 * march(0.5 * step) - march(step)


def test_wax_with_a_fin_melts_as_an_enthalpy_method_of_its_own_says():
    times = [100.0, 300.0, 600.0, 900.0]
    solution = run(box(), times=times, tolerance=1e-3)
    body = solution.body.reshape(-1)
    fields = np.stack([field.reshape(-1)[body] for field in solution.snapshots[-4:]])
    reference = make_reference(times, 2.0)

    rise = reference.max() - 20.0
    assert np.sqrt(((fields - reference) ** 2).mean(axis=1)).max() < 1e-3 * rise
    assert np.abs(fields - reference).max() < 5e-3 * rise  # of single cells, in which the reference errs by as much


def test_the_heat_of_a_box_of_wax_closes_and_comes_in_where_it_is_hot():
    case = box(resolution={"cells": [24, 20], "end_time": 400.0})
    heated = run(case, times=[400.0], tolerance=1e-3)
    change = heated.stored_heat(-1) - heated.stored_heat(0)

    assert heated.metrics["heat_in"] > heated.metrics["heat_out"] > 0.0  # the plate heats, the air cools
    assert heated.metrics["heat_in"] - heated.metrics["heat_out"] == pytest.approx(change, rel=1e-8)
    air = {"type": "convection", "coefficient": 5.0, "ambient": 20.0}
    cooled = run({**case, "initial": 70.0, "boundaries": {"internal": air}}, times=[400.0], tolerance=1e-3)
    assert cooled.metrics["heat_in"] == 0.0
    assert cooled.metrics["heat_out"] == pytest.approx(cooled.stored_heat(0) - cooled.stored_heat(-1), rel=1e-8)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    melting=st.sampled_from([SHARP, WAX, {**SHARP, "liquid": {"conductivity": 2.0}}]),
    hot=st.floats(5.0, 90.0),
)
def test_a_random_body_without_surroundings_keeps_its_heat_whatever_melts(seed, melting, hot):
    draw = np.random.default_rng(seed)
    a, b, c = draw.uniform(0.2, 0.8, 3).round(3)
    case = {
        "dimension": 2,
        "temperature_unit": "relative",
        "domain": {"size": [0.01, 0.01], "active": {"expression": f"(x < {a / 100}) | (y < {b / 100})"}},
        "material": [
            {**METAL, "where": {"expression": f"y < {c / 200}"}},
            {**melting, "where": {"expression": f"y >= {c / 200}"}},
        ],
        "initial": {"expression": f"where(x + y < 0.006, {hot!r}, -3.0)"},
        "boundaries": {},
        "resolution": {"cells": [10, 10], "end_time": 60.0},
    }
    solution = run(case, times=[30.0, 60.0], tolerance=1e-2)

    scale = 2.43e6 * (hot + 3.0) * 1e-4
    assert abs(solution.stored_heat(-1) - solution.stored_heat(0)) <= 1e-8 * scale
    inside = solution.final[solution.body]
    assert -3.0 - 1e-4 * (hot + 3.0) <= inside.min()
    assert inside.max() <= hot + 1e-4 * (hot + 3.0)


def test_a_resumed_run_of_a_masked_body_gives_the_same_bytes(tmp_path):
    plan = prepare(
        HeatProblem.from_case(box(resolution={"cells": [24, 20], "end_time": 300.0})),
        times=[150.0, 300.0],
        tolerance=1e-3,
    )
    whole, path = plan.solve(), tmp_path / "half.npz"
    with pytest.raises(CancelledError):
        plan.solve(lambda _fraction, _step, time: time < 160.0, checkpoint=path, every=0.0)
    again = plan.resume(path)

    assert again.fields.tobytes() == whole.fields.tobytes()
    assert again.metrics["heat_in"] == whole.metrics["heat_in"]


def test_stages_by_compiled_turns_are_those_of_a_direct_solution():
    """A stage that the general iteration solves to 1e-11 differs by what the tolerance allows."""
    problem = HeatProblem.from_case(box())
    plan = prepare(problem, times=[900.0], tolerance=1e-3)
    fast, slow = (EnthalpyStepper(plan.space, 1.0, tolerance=tolerance) for tolerance in (1e-9, 0.0))
    slow.body = None
    temperature = np.where(plan.space.active, 51.0, plan.space.initial_temperature().mean())
    content = fast.store.content(temperature)
    none = np.zeros_like(content)
    for tau in (0.1, 3.0, 40.0):
        one, other = (stepper._stage(content, none, content, tau, 300.0) for stepper in (fast, slow))
        assert np.abs(one.content - other.content).max() <= 1e-8 * np.abs(other.content - content).max()
        right = np.where(plan.space.active, np.sin(np.arange(content.size)), 0.0)
        found, exact = one.make_solver(tau).solve(right), other.make_solver(tau).solve(right)
        assert np.abs(found - exact).max() <= 0.05 * np.abs(exact).max()


def test_the_liquid_share_is_not_a_number_where_nothing_melts():
    case = stefan_case("y < 0.002")
    case["material"] = [
        {**METAL, "where": {"expression": "x < 0.002"}},
        {**SHARP, "where": {"expression": "x >= 0.002"}},
    ]
    solution = run(case, times=[50.0], tolerance=1e-3)
    share = solution.liquid_fraction()

    assert np.isnan(share[:20]).all()
    assert np.isnan(share[:, 4:]).all()
    assert share[20, 0] < 1.0 == share[-1, 0]
    assert 0.002 < solution.melting_front("+x") < 0.01


def test_phases_that_conduct_by_one_ratio_are_estimated_to_take_less_time():
    alike = stefan_case(resolution={"cells": [100, 60], "end_time": 100.0})
    alike["material"] = {**SHARP, "liquid": {"conductivity": 2.0}}
    unlike = {
        **alike,
        "material": {**SHARP, "liquid": {"conductivity": [2.0, 1.0]}, "solid": {"conductivity": [0.6, 0.6]}},
    }
    seconds = [prepare(HeatProblem.from_case(case), tolerance=1e-3).summary.estimate.work_s for case in (alike, unlike)]

    assert seconds[0] < 0.9 * seconds[1]


@pytest.mark.parametrize("cells", [1, 5])
def test_cells_that_exchange_heat_with_nothing_melt_by_their_source(cells):
    """H = q t, whole and in pieces: with one temperature of melting the matrix of such a cell is nothing."""
    sizes = {"domain": {"size": [0.01 * cells]}, "resolution": {"cells": [cells], "end_time": 500.0}}
    if cells > 1:  # every second cell exists
        sizes["domain"]["active"] = {"expression": "(x < 0.01) | ((x > 0.02) & (x < 0.03)) | (x > 0.04)"}
    case = {"material": SHARP, "initial": -3.0, "source_term": 1e5, "boundaries": {}, **sizes}
    solution = run(case, times=[100.0, 300.0, 500.0])

    right = [-3.0 + 1e7 / 4.2e6, 0.0, 0.0]
    for field, level in zip(solution.fields[1:], right, strict=True):
        np.testing.assert_allclose(field[np.isfinite(field)], level, atol=1e-3)
    for at, time in enumerate((100.0, 300.0, 500.0), start=1):
        heat = solution.stored_heat(at) - solution.stored_heat(0)
        assert heat == pytest.approx(1e5 * time * 0.01 * (1 if cells == 1 else 3), rel=1e-8)
