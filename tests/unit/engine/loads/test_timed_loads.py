"""Loads that depend on time are seen however short, in every method, and a body at any level takes the same steps.

Right values are heats: what a load puts into a body that loses none is its integral, by hand.
"""

import math

import numpy as np
import pytest
from scipy import linalg

from grid.core.errors import FieldError, GridError
from grid.engine import HeatProblem, prepare, solve, solve_batch
from grid.engine.loads.analysis import analyse_loads

CAPACITY, LENGTH, END = 1e6, 0.02, 100.0
TOLERANCE = 1e-4  # the default
ROD = {
    "domain": {"size": [LENGTH]},
    "material": {"conductivity": 10.0, "volumetric_heat_capacity": CAPACITY},
    "initial": 0.0,
    "resolution": {"cells": [20], "end_time": END},
}
PLATE = ROD | {"domain": {"size": [LENGTH, 0.01]}, "resolution": {"cells": [12, 6], "end_time": END}}
METHODS = (
    {},
    {"method": "implicit", "steps": 40},
    {"method": "explicit", "steps": 40},
    {"model": "lumped"},
    {"model": "corrected"},
    {"model": "auto"},
)
UNITS = ("degC", "K", "relative")


def expression(text):
    return {"expression": text}


def flux(text):
    return {"x_min": {"type": "flux", "value": expression(text)}}


def box(start, width, height=1e5):
    return f"where((t >= {start!r}) & (t < {start + width!r}), {height!r}, 0.0)"


def hump(centre, width, height=1e5):
    return f"{height!r}*exp(-((t-{centre!r})/{width!r})**2)"


def rise(solution):
    """Heat over the capacity of the body [K]."""
    problem = solution.problem
    capacity = problem.materials[0].volumetric_heat_capacity.value * math.prod(problem.domain.size)
    return solution.metrics["stored_heat_change"] / capacity


def run(case, **options):
    solution = solve(HeatProblem.from_case(case), **options)
    assert solution.is_accepted, solution.audits
    return solution


def audit(solution):
    return next(one for one in solution.audits if one.name == "load_integral")


@pytest.mark.usefixtures("without_coverage")
@pytest.mark.parametrize(
    ("options", "draws"),
    [
        *((options, 3) for options in METHODS[:2]),
        *((options, 1) for options in METHODS[2:]),  # of 5,000 steps each, or with further runs
        *(pytest.param(options, 3, marks=pytest.mark.physics) for options in METHODS[3:]),
    ],
    ids=str,
)
@pytest.mark.parametrize("start", [0.0, 20.0])
def test_pulses_of_random_place_and_width_put_in_their_heat(options, draws, start):
    """Boxes and Gaussians down to 1e-7 of the run: the mean rise is the integral over the capacity of the rod."""
    rng = np.random.default_rng(11)
    for _ in range(draws):
        width, centre = float(END * 10.0 ** rng.uniform(-7, -1.5)), float(rng.uniform(20.0, 80.0))
        height = 1.0 / width * CAPACITY * LENGTH  # a rise of about one kelvin whatever the width
        height = min(height, 1e10)
        for text, heat in (
            (box(centre, width, height), height * width),
            (hump(centre, width, height), height * width * math.sqrt(math.pi)),
        ):
            solution = run(ROD | {"initial": start, "boundaries": flux(text)}, **options)
            loose = 0.05 if "steps" in options else 2 * TOLERANCE
            assert rise(solution) == pytest.approx(heat / CAPACITY / LENGTH, rel=loose), (text, options)
            assert audit(solution).verdict == "passed"


@pytest.mark.parametrize(
    "options", [{}, {"method": "adi"}, {"method": "adi", "steps": 40}, {"method": "implicit"}], ids=str
)
@pytest.mark.parametrize("active", [None, "x + y < 0.025"])
def test_pulses_on_a_plate_put_in_their_heat(options, active):
    case = PLATE if active is None else PLATE | {"domain": PLATE["domain"] | {"active": expression(active)}}
    for text, heat in ((box(37.0, 0.01, 1e7), 1e5), (hump(61.3, 0.02, 1e7), 2e5 * math.sqrt(math.pi))):
        solution = run(case | {"boundaries": flux(text)}, **options)
        loose = 0.05 if "steps" in options else 2 * TOLERANCE
        assert solution.metrics["stored_heat_change"] == pytest.approx(heat * 0.01, rel=loose)


@pytest.mark.parametrize("changes", [{"source_term": "q"}, {"conductivity": "10 + 0.1*T"}], ids=str)
def test_pulses_in_the_body_and_with_varying_properties(changes):
    case = dict(ROD)
    if "conductivity" in changes:
        case["material"] = ROD["material"] | {"conductivity": expression(changes["conductivity"])}
        case["boundaries"] = flux(hump(37.123, 0.05642))
        right = 1e5 * 0.05642 * math.sqrt(math.pi) / LENGTH / CAPACITY
    else:
        case["source_term"] = expression(hump(37.123, 0.05642, 1e7))
        right = 1e7 * 0.05642 * math.sqrt(math.pi) / CAPACITY

    assert rise(run(case)) == pytest.approx(right, rel=TOLERANCE)
    if "conductivity" in changes:
        assert rise(run(case, method="implicit", steps=30)) == pytest.approx(right, rel=0.05)


@pytest.mark.usefixtures("without_coverage")
def test_a_pulse_of_the_ambient_or_of_a_film_gives_the_heat_of_newtons_law():
    """One cell, h A dT << C dT/dt: T' = h (T_a - T) / (c L), by quadrature of the exact solution for a weak film."""
    width, film = 0.05, 0.5
    ambient = {"type": "convection", "coefficient": film, "ambient": expression(f"1000*exp(-((t-37.1)/{width})**2)")}
    pulsed = {"type": "convection", "coefficient": expression(hump(37.1, width, film)), "ambient": 1000.0}
    decay = math.exp(-film * (END - 37.1) / (CAPACITY * LENGTH))  # by the end some has gone again
    heat = film * 1000.0 * width * math.sqrt(math.pi)

    for face, kept in ((ambient, decay), (pulsed, 1.0)):
        for options in METHODS[:2] if face is pulsed else METHODS[:2] + METHODS[3:]:  # models need a film
            solution = run(ROD | {"boundaries": {"x_min": face}}, **options)
            loose = 0.05 if "steps" in options else 4 * TOLERANCE
            assert rise(solution) == pytest.approx(heat * kept / CAPACITY / LENGTH, rel=loose)


def test_a_pulse_of_a_held_temperature_is_that_of_a_half_space():
    """T_s = 1 for a time w, asked at its end: heat 2 k sqrt(w / (pi alpha)); the cells are far thinner than that."""
    case = ROD | {
        "boundaries": {"x_min": {"type": "temperature", "value": expression("where((t > 50) & (t <= 50.1), 1, 0)")}},
        "resolution": {"cells": [400], "end_time": 50.1},
    }

    heat = 2.0 * 10.0 * math.sqrt(0.1 / (math.pi * 1e-5))
    assert run(case).metrics["stored_heat_change"] == pytest.approx(heat, rel=2e-3)  # of the grid


def test_a_short_pulse_in_a_long_run_is_that_of_a_table():
    """The same load as a table with the same switches: 145.32 degrees at the end of the bar."""
    pulse = {"type": "flux", "value": expression("where((t >= 2000) & (t < 2010), 1e6, 0.0)")}
    table = {"table": [[0, 0], [2000, 1e6], [2010, 0]], "interpolation": "previous"}
    case = {
        "dimension": 1,
        "temperature_unit": "degC",
        "domain": {"size": [0.1]},
        "material": {"conductivity": 45.0, "volumetric_heat_capacity": 3.6e6},
        "initial": 20.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 100.0}, "x_max": pulse},
        "resolution": {"cells": [50], "end_time": 2100.0},
    }
    other = case | {"boundaries": case["boundaries"] | {"x_max": pulse | {"value": table}}}

    one, two = run(case, tolerance=1e-5), run(other, tolerance=1e-5)

    assert one.temperature_at([0.1]) == pytest.approx(145.32, abs=0.01)
    np.testing.assert_allclose(one.final, two.final, rtol=1e-12)


@pytest.mark.parametrize("jump", ["where(t > 1.5, 1.0, 0.0)", "where(t*t > 2.25, 1.0, 0.0)"])
def test_a_held_face_may_jump_within_an_expression(jump):
    """The same run with the jump named as a breakpoint, and against the matrix exponential of three cells."""
    case = {
        "domain": {"size": [3.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": expression(jump)}},
        "resolution": {"cells": [3], "end_time": 10.0},
    }
    matrix = np.array([[-3.0, 1.0, 0.0], [1.0, -2.0, 1.0], [0.0, 1.0, -1.0]])
    values, vectors = np.linalg.eigh(matrix)
    right = 1.0 - vectors @ (np.exp(8.5 * values) * (vectors.T @ np.ones(3)))

    solution = run(case)

    np.testing.assert_allclose(solution.final, right, atol=1e-4)
    assert solution.final.tobytes() == run(case | {"breakpoints": [1.5]}).final.tobytes()


@pytest.mark.parametrize("amplitude", [1e6, 1.0, 1e-3])
def test_a_source_that_begins_while_a_body_is_uniform_is_solved_whatever_its_strength(amplitude):
    case = {
        "temperature_unit": "degC",
        "domain": {"size": [0.01]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 2e6},
        "initial": 25.0,
        "source_term": expression(f"where((t >= 999) & (t < 1999), {amplitude!r}, 0)"),
        "resolution": {"cells": [10], "end_time": 3600.0},
    }

    assert rise(run(case)) == pytest.approx(amplitude * 1000.0 / 2e6, rel=1e-6)


@pytest.mark.usefixtures("without_coverage")
@pytest.mark.parametrize(
    ("unit", "options"),
    [
        *((unit, options) for unit in UNITS for options in ({}, {"method": "rkl2", "tolerance": 1e-4})),
        *((unit, {"model": "auto"}) for unit in UNITS[:1]),
        *(pytest.param(unit, {"model": "auto"}, marks=pytest.mark.physics) for unit in UNITS[1:]),
    ],
    ids=str,
)
def test_the_level_of_a_uniform_start_changes_no_step(options, unit):
    """Loads move with the level; fields differ by the shift and by rounding."""
    found = []
    for level in (0.0, 20.0):
        faces = {
            "x_min": {"type": "convection", "coefficient": 500.0, "ambient": level + 80.0},
            "x_max": {"type": "flux", "value": 1e3 if options.get("method") == "rkl2" else expression(hump(40.0, 2.0))},
        }
        case = ROD | {"initial": level, "boundaries": faces, "temperature_unit": unit}
        if options.get("method") == "rkl2":  # made for conductivities that vary
            case["material"] = ROD["material"] | {"conductivity": expression(f"10 + 0.01*(T-{level!r})")}
        found.append((level, run(case, **options)))

    (_, first), *others = found
    for level, solution in others:
        assert solution.metrics["steps"] == first.metrics["steps"]
        np.testing.assert_allclose(solution.final - level, first.final, atol=1e-9 * 80.0)


def test_loads_of_place_and_time_are_not_passed_over():
    """A spot that crosses a plate in 1/2000 s of 10 s; its heat is q 2 pi s^2 L / v."""
    plate = {
        "domain": {"size": [1.0, 0.5]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 100.0},
        "initial": 0.0,
        "resolution": {"cells": [50, 25], "end_time": 10.0},
    }
    for speed, moment in ((20.0, 5.0), (2000.0, 7.3)):
        text = f"1e4*exp(-((x-{speed}*(t-{moment}))**2+(y-0.25)**2)/(2*0.02**2))"
        solution = run(plate | {"source_term": expression(text)})
        heat = 1e4 * 2 * math.pi * 0.02**2 / speed
        assert solution.metrics["heat_generated"] == pytest.approx(heat, rel=1e-3)


@pytest.mark.usefixtures("without_coverage")
def test_a_front_of_place_and_time_heats_what_it_has_passed():
    """q where x < v t over a rod of 20 cells: q L end / 2, on cells that switch one after another."""
    solution = run(ROD | {"source_term": expression("where(x < 0.0002*t, 1e5, 0)")})

    assert rise(solution) == pytest.approx(1e5 * END / 2 / CAPACITY, rel=1e-3)


def test_periodic_loads_keep_their_mean_over_many_cycles():
    """1 + sin(w t) over whole cycles puts in the mean alone."""
    for cycles in (1, 40):
        text = f"1e3*(1+sin({2 * math.pi * cycles / END!r}*t))"
        solution = run(ROD | {"boundaries": flux(text)})
        assert rise(solution) == pytest.approx(1e3 * END / LENGTH / CAPACITY, rel=TOLERANCE)


@pytest.mark.parametrize("text", ["1e3*sin(1e5*t)**2", "where(sin(1e5*t) > 0, 1e3, 0)"])
def test_loads_that_change_more_often_than_a_run_can_follow_are_refused_by_name(text):
    with pytest.raises(FieldError, match=r"boundaries\.x_min\.value: .*(end earlier|mean)"):
        solve(HeatProblem.from_case(ROD | {"boundaries": flux(text)}))


def test_methods_for_constant_loads_refuse_a_pulse():
    for method in ("spectral", "exponential", "rkl2"):
        with pytest.raises(GridError, match="loads"):
            solve(HeatProblem.from_case(ROD | {"boundaries": flux(box(3.0, 0.1))}), method=method, tolerance=1e-4)


def test_columns_of_a_batch_see_the_pulse_and_have_the_bytes_of_a_run_alone():
    problem = HeatProblem.from_case(ROD | {"boundaries": flux(hump(37.0, 0.05))})

    batch = solve_batch(problem, {"initial": np.array([0.0, 20.0])})

    for column, start in enumerate((0.0, 20.0)):
        alone = solve(batch.column_problem(column))
        assert alone.final.tobytes() == batch.fields[column, -1].tobytes()
        assert batch.audits(column) == alone.audits
        right = 1e5 * 0.05 * math.sqrt(math.pi) / LENGTH / CAPACITY
        assert batch.fields[column, -1].mean() - start == pytest.approx(right, rel=TOLERANCE)


def test_the_audit_fails_where_a_method_passes_over_a_load(monkeypatch):
    """Steps without limits, and a load whose analysis is hidden from the run."""
    from grid.engine.methods import inputs as planned
    from grid.engine.results import load_audit

    assert load_audit.analyse_inputs is planned.analyse_inputs  # the audit has its own name for it
    problem = HeatProblem.from_case(ROD | {"boundaries": flux(hump(37.123, 0.05642))})
    plan = prepare(problem, method="implicit", steps=7)
    monkeypatch.setattr(planned, "analyse_inputs", lambda _inputs: analyse_loads(HeatProblem.from_case(ROD), END, 1.0))

    solution = plan.solve()

    assert not solution.is_accepted
    assert audit(solution).verdict == "failed"


def test_the_audit_looks_at_each_asked_interval():
    problem = HeatProblem.from_case(ROD | {"boundaries": flux("1e4*t")})
    solution = prepare(problem, method="implicit", times=[10.0, 50.0, 100.0]).solve()

    assert audit(solution).verdict == "passed"
    assert audit(solution).value <= 1e-12  # a straight line is integrated exactly
    assert solution.heat_balance.prescribed == pytest.approx([1e4 * END**2 / 2], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "antiderivative"),
    [
        ("1e5/(1 + ((t - 77.7)/0.01)**2)", lambda t: 1e3 * math.atan((t - 77.7) / 0.01)),
        ("1e3/(0.001 + abs(t - 30))", lambda t: math.copysign(1e3 * math.log1p(1e3 * abs(t - 30.0)), t - 30.0)),
        ("1e5*exp(-t/5)", lambda t: -5e5 * math.exp(-t / 5)),
    ],
)
@pytest.mark.parametrize("method", ["auto", "implicit"])
def test_peaks_with_long_flanks_put_in_their_heat_until_each_asked_time(method, text, antiderivative):
    times = (20.0, 40.0, 80.0, END)
    solution = solve(
        HeatProblem.from_case(ROD | {"boundaries": flux(text)}), method=method, times=times, tolerance=TOLERANCE
    )
    heat = np.array([antiderivative(time) - antiderivative(0.0) for time in times])
    rises = solution.fields[1:].mean(axis=1) - solution.fields[0].mean()

    assert solution.is_accepted
    np.testing.assert_allclose(rises, heat / LENGTH / CAPACITY, atol=2.0 * TOLERANCE * heat.max() / LENGTH / CAPACITY)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-5])
def test_a_film_that_is_there_for_a_moment_does_not_hide_errors_that_stay(tolerance):
    """Errors made under a strong film die out under it, but the film goes and the body keeps them."""
    film, half = 5e4, 0.5 * LENGTH / 20
    case = ROD | {
        "material": {"conductivity": 10.0, "volumetric_heat_capacity": CAPACITY},
        "boundaries": {
            "x_min": {
                "type": "convection",
                "coefficient": {"expression": f"where((t > 30.01) & (t < 30.06), {film!r}, 0.0)"},
                "ambient": 100.0,
            }
        },
    }
    start = solve(HeatProblem.from_case(case), until=1.0).final[0]
    conduct = 10.0 / (2.0 * half)
    matrix = conduct * (np.eye(20, k=1) + np.eye(20, k=-1) - 2.0 * np.eye(20))
    matrix[0, 0] += conduct - 1.0 / (1.0 / film + half / 10.0)
    matrix[-1, -1] += conduct
    rise = (100.0 - start) * (1.0 - linalg.expm(matrix / (CAPACITY * 2.0 * half) * 0.05) @ np.ones(20))
    solution = solve(HeatProblem.from_case(case), tolerance=tolerance)

    assert solution.is_accepted
    assert abs(solution.final.mean() - start - rise.mean()) <= 2.0 * tolerance * (100.0 - start)


def test_the_scale_of_the_audit_is_the_largest_heat_of_one_interval():
    """Pulses in each of ten intervals: what one of them lacks is a share of its own heat, not of that of all."""
    from grid.engine.results.load_audit import audit_loads

    problem = HeatProblem.from_case(ROD | {"boundaries": flux("1e4*sin(pi*t/10)**2")})
    plan = prepare(problem, method="implicit", times=np.linspace(10.0, END, 10))
    sums = [(5e4 * number - (100.0 if number > 4 else 0.0),) for number in range(11)]

    found = audit_loads(plan.space, plan.inputs, plan.times, sums, TOLERANCE)

    assert found.value == pytest.approx(100.0 / 5e4, rel=1e-6)
    assert found.verdict == "failed"


def test_no_load_of_time_means_no_audit_and_no_analysis():
    problem = HeatProblem.from_case(ROD | {"source_term": 1e3})
    solution = solve(problem)

    assert audit(solution).verdict == "not_applicable"
    assert "_load_analyses" not in vars(problem)
    assert solution.heat_balance.prescribed == ()


def test_asked_times_over_twelve_decades():
    """Two halves of a bar, k 1 and 1e-3, against the eigenvectors of the same finite volumes."""
    cells = 40
    conductivity = np.where(np.arange(cells) < cells // 2, 1.0, 1e-3)
    step = 1.0 / cells
    inner = 2.0 * conductivity[1:] * conductivity[:-1] / (conductivity[1:] + conductivity[:-1]) / step
    faces = np.r_[2.0 * conductivity[0] / step, inner, 0.0]
    matrix = (np.diag(-(faces[:-1] + faces[1:])) + np.diag(inner, 1) + np.diag(inner, -1)) / step
    values, vectors = np.linalg.eigh(matrix)
    times = [10.0**power for power in range(-9, 4)]
    right = [1.0 - vectors @ (np.exp(values * time) * (vectors.T @ np.ones(cells))) for time in times]
    case = {
        "domain": {"size": [1.0]},
        "material": [
            {"conductivity": 1.0, "volumetric_heat_capacity": 1.0, "where": expression("x < 0.5")},
            {"conductivity": 1e-3, "volumetric_heat_capacity": 1.0, "where": expression("x >= 0.5")},
        ],
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 1.0}},
        "resolution": {"cells": [cells], "end_time": 100.0},
    }

    for method in ("auto", "implicit"):
        solution = run(case, times=times, tolerance=1e-4, method=method)
        np.testing.assert_allclose(solution.fields[1:], right, atol=1e-4)


@pytest.mark.parametrize(("method", "tolerance", "least"), [("implicit", 1e-8, "1e-07"), ("auto", 1e-9, "1e-08")])
def test_a_tolerance_that_cannot_be_kept_is_refused_before_the_run(method, tolerance, least):
    """A conductivity of temperature and time: no other method can."""
    material = {"conductivity": expression("1 + 0.01*T + 0.001*t"), "volumetric_heat_capacity": 1.0}
    face = {"type": "convection", "coefficient": 1e6, "ambient": 1.0}
    case = {
        "domain": {"size": [1.0]},
        "material": material,
        "initial": 0.0,
        "boundaries": {"x_min": face},
        "resolution": {"cells": [40], "end_time": 1.0},
    }
    with pytest.raises(GridError, match=f"keeps tolerances from {least} on"):
        prepare(HeatProblem.from_case(case), method=method, tolerance=tolerance)


@pytest.mark.usefixtures("without_coverage")
def test_the_least_tolerance_that_is_accepted_is_kept():
    """From a sudden start, against the matrix exponential of the same finite volumes."""
    cells = 10
    faces = np.r_[2.0 * cells, np.full(cells - 1, 1.0 * cells), 0.0]
    matrix = (np.diag(-(faces[:-1] + faces[1:])) + np.diag(faces[1:-1], 1) + np.diag(faces[1:-1], -1)) * cells
    values, vectors = np.linalg.eigh(matrix)
    right = 1.0 - vectors @ (np.exp(values * 0.1) * (vectors.T @ np.ones(cells)))
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 1.0}},
        "resolution": {"cells": [cells], "end_time": 0.1},
    }

    np.testing.assert_allclose(run(case, method="implicit", tolerance=1e-8).final, right, atol=1e-8)
