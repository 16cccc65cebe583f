"""Conductivities that jump or fall with temperature: Kirchhoff's transform in steady 1D, and a reference in time."""

import numpy as np
import pytest
from scipy import integrate, special

from grid.engine import HeatProblem, solve


def expression(text):
    return {"expression": text}


def wall(conductivity, cells=20, **changes):
    case = {
        "domain": {"size": [1.0]},
        "steady": True,
        "material": {"conductivity": expression(conductivity)},
        "boundaries": {
            "x_min": {"type": "temperature", "value": 100.0},
            "x_max": {"type": "temperature", "value": 0.0},
        },
        "resolution": {"cells": [cells]},
    }
    return case | changes


def run(case, **options):
    solution = solve(HeatProblem.from_case(case), **options)
    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    return solution


def draw_law(rng):
    """A conductivity that jumps, falls by orders of magnitude or peaks, and its transform."""
    at, width = rng.uniform(5, 90), 10.0 ** rng.uniform(-1, 1)
    k = 10.0 ** rng.uniform(-4, 3)
    kind = rng.integers(3)
    if kind == 0:
        return f"where(T < {at!r}, 1.0, {k!r})", lambda t: np.where(t < at, t, at + k * (t - at))
    if kind == 1:
        text = f"where((T >= {at!r}) & (T < {at + width!r}), {k!r}, 1.0)"
        return text, lambda t: t + (k - 1) * np.clip(t - at, 0, width)
    text = f"exp(-T/{width * 5!r}) + {0.01 * k!r}"
    return text, lambda t: 5 * width * (1 - np.exp(-t / (5 * width))) + 0.01 * k * t


@pytest.mark.parametrize("seed", range(20))
def test_the_flux_through_a_wall_is_that_of_the_transform(seed):
    """integral k dT = q L, and theta(T) is linear in place: exact on every grid (Carslaw and Jaeger 1959, 1.6)."""
    rng = np.random.default_rng(seed)
    text, theta = draw_law(rng)
    solution = run(wall(text, cells=int(rng.integers(2, 60))))
    whole = float(theta(np.array(100.0)))

    assert solution.heat_rate("x_min") == pytest.approx(whole, rel=1e-7)
    np.testing.assert_allclose(theta(solution.final), whole * (1 - solution.coordinates["x"]), atol=1e-6 * whole)


@pytest.mark.parametrize("resistance", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_two_materials_and_a_contact_share_one_flux(seed, resistance):
    """theta_a(100) - theta_a(s) = q/2, s - r = q R, theta_b(r) = q/2."""
    rng = np.random.default_rng(100 + seed)
    (text_a, theta_a), (text_b, theta_b) = draw_law(rng), draw_law(rng)
    materials = [
        {"conductivity": expression(text_a), "where": "x < 0.5"},
        {"conductivity": expression(text_b), "where": "x >= 0.5"},
    ]
    for material in materials:
        material["where"] = expression(material["where"])
    contact = {"axis": "x", "position": 0.5, "conductance": 1 / resistance} if resistance else None
    changes = {"contacts": [contact]} if contact else {}
    solution = run(wall("1", material=materials, resolution={"cells": [16]}, **changes))

    def missing(q):
        def invert(theta, target):
            low, high = 0.0, 100.0
            for _ in range(200):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if theta(np.array(middle)) < target else (low, middle)
            return low

        s = invert(theta_a, theta_a(np.array(100.0)) - 0.5 * q)
        r = invert(theta_b, 0.5 * q)
        return s - r - q * resistance

    low, high = 0.0, 2.0 * float(min(theta_a(np.array(100.0)), theta_b(np.array(100.0))))
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if missing(middle) > 0 else (low, middle)

    assert solution.heat_rate("x_min") == pytest.approx(low, rel=1e-6)


def reference(cells, share, end):
    """The field of a body of 1 m that conducts `share` as well above 60 degrees, heated to 100 at a face; by SciPy."""
    h = 1 / cells
    theta = lambda t: np.where(t < 60, t, 60 + share * (t - 60))  # noqa: E731 short

    def rate(_time, y):
        flux = np.zeros(cells + 1)
        flux[1:-1] = -np.diff(theta(y)) / h
        flux[0] = -(theta(y[0]) - theta(100.0)) / (h / 2)
        return -np.diff(flux) / h

    return integrate.solve_ivp(rate, (0, end), np.zeros(cells), method="BDF", rtol=1e-7, atol=1e-6).y[:, -1]


FALLING = {
    "domain": {"size": [1.0]},
    "initial": 0.0,
    "boundaries": {"x_min": {"type": "temperature", "value": 100.0}},
    "resolution": {"cells": [60], "end_time": 0.05},
}


@pytest.mark.parametrize("share", [1e-3, 1e-4])
@pytest.mark.parametrize("method", ["implicit", "rkl2", "auto"])
def test_a_conductivity_that_falls_by_orders_of_magnitude_is_followed(share, method):
    """SciPy's BDF for the transform finds a mean of 15.144 at a thousandth."""
    material = {"conductivity": expression(f"where(T < 60, 1.0, {share})"), "volumetric_heat_capacity": 1.0}
    solution = run(FALLING | {"material": material}, method=method, tolerance=1e-4)

    np.testing.assert_allclose(solution.final, reference(60, share, 0.05), atol=0.02)


@pytest.mark.parametrize("method", ["implicit", "rkl2"])
def test_each_axis_has_its_own_law(method):
    law = [expression("where(T < 60, 1.0, 0.001)"), expression("1 + 0.01*T")]
    case = FALLING | {"domain": {"size": [1.0, 0.2]}, "resolution": {"cells": [60, 3], "end_time": 0.05}}
    case["material"] = {"conductivity": law, "volumetric_heat_capacity": 1.0}
    solution = run(case, method=method, tolerance=1e-4)

    np.testing.assert_allclose(solution.final, reference(60, 1e-3, 0.05)[:, None] + np.zeros(3), atol=0.02)


def test_a_masked_ring_has_a_conductivity_of_temperature():
    """One axis, joined at its ends, with cells left out: the body is one piece across the joint."""
    case = {
        "domain": {"size": [1.0], "active": expression("(x < 0.25) | (x > 0.75)")},
        "material": {"conductivity": expression("1 + 0.01*T"), "volumetric_heat_capacity": 1.0},
        "initial": expression("where(x < 0.5, 100.0, 0.0)"),
        "boundaries": {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}},
        "resolution": {"cells": [8], "end_time": 3.0},
    }
    ring = run(case, times=[0.02, 3.0])
    rod = run(
        case
        | {
            "domain": {"size": [0.5]},
            "initial": expression("where(x > 0.25, 100.0, 0.0)"),
            "boundaries": {},
            "resolution": {"cells": [4], "end_time": 3.0},
        },
        times=[0.02, 3.0],
    )

    np.testing.assert_allclose(np.roll(ring.fields[1], 2)[:4], rod.fields[1], atol=2e-2)
    np.testing.assert_allclose(ring.final[[0, 1, 6, 7]], 50.0, atol=1e-2)


def test_a_spike_of_conductivity_between_samples_of_its_range_is_not_passed_over():
    """A spike 0.05 K wide holds four times the integral of the rest: the body fills up to its foot."""
    end, n = 1e-3, 8
    at, width, height = 31.0, 0.05, 5e3
    spike = height * width * np.sqrt(np.pi) / 2

    def theta(t):
        return t + spike * (special.erf((t - at) / width) + 1.0)

    def rate(_time, t):
        flow = np.empty(n + 1)
        inner = theta(t)
        flow[1:-1] = (inner[:-1] - inner[1:]) * n
        flow[0], flow[-1] = (theta(100.0) - inner[0]) * 2 * n, 0.0
        return (flow[:-1] - flow[1:]) * n

    right = integrate.solve_ivp(rate, (0.0, end), np.zeros(n), method="Radau", rtol=1e-7, atol=1e-7).y[:, -1]
    case = {
        "domain": {"size": [1.0]},
        "material": {
            "conductivity": expression(f"1 + {height}*exp(-((T - {at})/{width})**2)"),
            "volumetric_heat_capacity": 1.0,
        },
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 100.0}},
        "resolution": {"cells": [n], "end_time": end},
    }
    solution = run(case, method="rkl2", tolerance=1e-3)

    assert np.abs(solution.final - right).max() <= 2e-3 * 100.0
