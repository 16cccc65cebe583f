"""Heat contents of c(T): what a body takes up is the integral of its heat capacity, whatever lies between."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import erf

from grid.engine import HeatProblem, solve
from grid.engine.errors import NotConvergedError
from grid.engine.linear.iteration import solve_balance
from grid.engine.space.discretise import discretise

pytestmark = pytest.mark.usefixtures("without_coverage")

PEAK = {  # 100 kJ/kg of melting written as a box of the heat capacity, 2 K wide
    "dimension": 1,
    "temperature_unit": "degC",
    "domain": {"size": [0.02]},
    "material": {
        "conductivity": 0.2,
        "density": 800.0,
        "specific_heat": {"expression": "where((T >= 27) & (T < 29), 102000.0, 2000.0)"},
    },
    "initial": 20.0,
    "source_term": 50000.0,
    "resolution": {"cells": [10], "end_time": 4800.0},
}


def heated(specific_heat, **changes):
    """The same body with another heat capacity."""
    return PEAK | {"material": PEAK["material"] | {"specific_heat": specific_heat}} | changes


def run(case, **options):
    solution = solve(HeatProblem.from_case(case), **options)
    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    return solution


@pytest.mark.parametrize("options", [{}, {"steps": 100}, {"steps": 7}, {"tolerance": 1e-7}])
def test_a_peak_of_the_heat_capacity_takes_up_its_heat(options):
    """H(T) = q t: 800 (2000 * 50 + 100000 * 2) J/m3 = 50000 W/m3 * 4800 s, so T = 70 degC."""
    solution = run(PEAK, **options)

    np.testing.assert_allclose(solution.final, 70.0, rtol=1e-9)
    assert solution.metrics["stored_heat_change"] == pytest.approx(50000.0 * 4800.0 * 0.02, rel=1e-9)


def draw_law(rng):
    """A heat capacity of random form with peaks as narrow as 0.05 K, and its integral from 20 degC."""
    base, kind = 10.0 ** rng.uniform(2, 4), rng.integers(3)
    middle, width, height = rng.uniform(21, 60), 10.0 ** rng.uniform(-1.3, 0.7), 10.0 ** rng.uniform(3, 6)
    if kind == 0:
        text = f"{base!r} + {height!r}*exp(-((T - {middle!r})/{width!r})**2)"
        bell = lambda t: 0.5 * math.sqrt(math.pi) * width * height * erf((t - middle) / width)  # noqa: E731 short
        return text, lambda t: base * (t - 20) + bell(t) - bell(20.0)
    if kind == 1:
        text = f"where((T >= {middle!r}) & (T < {middle + width!r}), {height!r}, {base!r})"
        return text, lambda t: base * (t - 20) + (height - base) * min(max(t - middle, 0.0), width)
    text = f"{base!r} + {height!r}*maximum(0, 1 - abs(T - {middle!r})/{width!r})"  # a table of three points

    def content(t):
        u = min(max((t - middle) / width, -1.0), 1.0)
        start = min(max((20.0 - middle) / width, -1.0), 1.0)
        area = lambda v: 0.5 * (1 + v) ** 2 if v < 0 else 1 - 0.5 * (1 - v) ** 2  # noqa: E731 short
        return base * (t - 20) + height * width * (area(u) - area(start))

    return text, content


@pytest.mark.parametrize("seed", range(12))
def test_random_peaks_end_where_the_heat_says(seed):
    """A body heated evenly ends at H(T) = q t, by the law's own antiderivative."""
    rng = np.random.default_rng(seed)
    text, content = draw_law(rng)
    end = rng.uniform(25, 75)
    time = 800.0 * content(end) / 50000.0
    options = {"steps": int(rng.integers(1, 40))} if rng.random() < 0.5 else {}
    solution = run(heated({"expression": text}, resolution={"cells": [3], "end_time": time}), **options)
    exact = brentq(lambda t: 800.0 * content(t) - 50000.0 * time, 20.0, 80.0, xtol=1e-12)

    np.testing.assert_allclose(solution.final, exact, rtol=1e-8)


def test_a_density_of_place_and_a_heat_capacity_of_place_and_temperature():
    """Every cell by itself: rho(x) integral c(x, T) dT = q t, for factors and for one expression of both."""
    rng = np.random.default_rng(5)
    cells, q, time = 8, 50000.0, 2000.0
    x = (np.arange(cells) + 0.5) / cells
    slope = float(rng.uniform(0, 100))
    for specific_heat, factor in (
        ({"expression": "where(T < 28, 1000.0, 3000.0)"}, np.ones(cells)),
        ({"expression": "(1 + x)*where(T < 28, 1000.0, 3000.0)"}, 1 + x),
    ):
        material = {"conductivity": 1e-12, "density": {"expression": f"900 + {slope!r}*x"}}
        material["specific_heat"] = specific_heat
        case = PEAK | {"domain": {"size": [1.0]}, "material": material, "source_term": q}
        solution = run(case | {"resolution": {"cells": [cells], "end_time": time}})
        rise = q * time / ((900 + slope * x) * factor) / 1000.0

        np.testing.assert_allclose(solution.final, 20 + np.where(rise < 8, rise, 8 + (rise - 8) / 3), rtol=1e-8)


def test_a_table_of_temperature_is_integrated_exactly():
    table = {"table": [[20, 1000], [27, 1000], [28, 90000], [29, 1000]], "of": "T"}
    solution = run(heated(table, resolution={"cells": [4], "end_time": 1760.0}))

    # 800 (7 * 1000 + 45500 + 45500 + 1000 (T - 29)) = 50000 * 1760
    np.testing.assert_allclose(solution.final, 29 + 110 - 98, rtol=1e-9)


def test_a_body_heated_from_a_face_keeps_its_balance_through_a_narrow_peak():
    """The audit of energy is exact: rejecting a run is left to what is wrong with it."""
    material = {"conductivity": 1.0, "volumetric_heat_capacity": {"expression": "1 + 200*exp(-((T-60)/0.05)**2)"}}
    case = {
        "domain": {"size": [1.0]},
        "material": material,
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 100.0}},
        "resolution": {"cells": [12], "end_time": 5.0},
    }
    solution = run(case)
    peak = 200 * 0.05 * math.sqrt(math.pi)
    content = solution.final.mean() + peak * float(np.mean(solution.final > 60.5))

    assert solution.metrics["stored_heat_change"] == pytest.approx(content, rel=1e-6)


@pytest.mark.parametrize("model", ["lumped", "corrected", "auto"])
@pytest.mark.parametrize("steps", [1, 37])
def test_the_lumped_model_takes_up_the_heat_of_a_peak(model, steps):
    """H(T) = q t whatever the time between two decisions."""
    solution = run(PEAK, model=model, steps=steps)

    np.testing.assert_allclose(solution.final, 70.0, rtol=1e-8)
    assert solution.metrics["stored_heat_change"] == pytest.approx(50000.0 * 4800.0 * 0.02, rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_a_lumped_body_in_a_film_follows_its_heat_content(seed):
    """dH/dt = h A (ambient - T) / V, integrated by SciPy for the content of a random law."""
    rng = np.random.default_rng(40 + seed)
    text, content = draw_law(rng)
    time, film = 3e6, 0.5
    case = heated({"expression": text}, source_term=0.0, boundaries={})
    case["boundaries"] = {"x_min": {"type": "convection", "coefficient": film, "ambient": 80.0}}
    case["resolution"] = {"cells": [4], "end_time": time}
    case["material"] = case["material"] | {"conductivity": 1e3}
    at = np.linspace(20, 80, 20_001)
    heat = 800.0 * 0.02 * np.array([content(t) for t in at])  # J/m2
    pace = np.concatenate([[0.0], np.cumsum(np.diff(heat) / (film * (80 - 0.5 * (at[1:] + at[:-1]))))])
    final = run(case, model="lumped").final

    np.testing.assert_allclose(final, np.interp(time, pace, at), atol=0.05)


def test_a_stalled_peak_names_the_enthalpy_and_that_advice_works():
    """What an iteration that is cut short says, and the same body with its heat content as a table."""
    space = discretise(HeatProblem.from_case(PEAK))
    start = space.initial_temperature()
    heat = np.full(start.shape, 1e6 * 0.002)
    with pytest.raises(NotConvergedError, match="volumetric_enthalpy") as stalled:
        solve_balance(space, start, heat, start, shift=1.0, tau=4800.0, time=0.0, turns=1)
    table = [[20, 0], [27, 1.12e7], [29, 1.744e8], [80, 2.56e8]]
    material = {"conductivity": 0.2, "volumetric_enthalpy": {"table": table}}
    solution = run(PEAK | {"kind": "extension", "material": material})

    assert "heat capacity" in str(stalled.value)
    np.testing.assert_allclose(solution.final, 70.0, rtol=1e-9)
