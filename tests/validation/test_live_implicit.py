"""The live method `implicit` against closed forms, and against `solve` at tight tolerances."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erf, erfc
from tests.unit.engine.live.implicit_scenes import DENSE, FALLING, RISING, make_scene

from grid.engine import HeatProblem, solve
from grid.engine.live.clock import plan_clock
from grid.engine.live.events import Overload
from grid.engine.live.session import Session

RING = {f"{axis}_{end}": {"type": "periodic"} for axis in "xy" for end in ("min", "max")}
HELD = {"x_min": {"type": "temperature", "value": 400.0}, "x_max": {"type": "temperature", "value": 300.0}}


def run(scene, tick, ticks):
    """A session after so many ticks."""
    session = Session(scene, plan_clock(scene, tick))
    assert session.clock.method == "implicit"
    session.advance(ticks)
    assert session.summary.balance_residual <= 1e-9
    return session


def test_a_conductivity_of_temperature_settles_to_kirchhoffs_profile():
    """k = k0 (1 + b (T - 300)) between 400 and 300 K: U = (T - 300) + b/2 (T - 300)^2 is linear in x."""
    slope = -5e-3
    scene = make_scene(
        "conductivity", (50,), boundaries=HELD,
        material={"conductivity": {"expression": f"50*(1 + {slope}*(T - 300))"}, **DENSE},
    )  # fmt: skip
    field = run(scene, 2e4, 30).field()
    x = (np.arange(50) + 0.5) / 50
    potential = (100 + 0.5 * slope * 100**2) * (1 - x)
    exact = 300 + (np.sqrt(1 + 2 * slope * potential) - 1) / slope
    np.testing.assert_allclose(field, exact, atol=1e-6)


def test_heat_goes_where_the_capacity_says():
    """An even load warms an insulated body from T0 to the T at which the integral of rho c is the heat over the volume.

    rho c is linear between 300 and 500 K: H = 7800 (470 u + (130/200) u^2/2), u = T - 300.
    """
    scene = make_scene("capacity", boundaries={}, material={"conductivity": FALLING, "density": 7800.0,
                                                            "specific_heat": RISING})  # fmt: skip
    session = Session(scene, plan_clock(scene, 10.0))
    session.apply(Overload(1e4))
    session.advance(30)
    heat = 1e4 * 300.0 / (0.8 * scene.section)
    a, b = 7800 * 470.0, 7800 * 130.0 / 200.0
    exact = 300.0 + (np.sqrt(a * a + 2 * b * heat) - a) / b
    np.testing.assert_allclose(session.field(), exact, rtol=1e-9)
    assert session.summary.stored_heat == pytest.approx(1e4 * 300.0, rel=1e-9)


@pytest.mark.parametrize("cells", [16, 32])
def test_a_wave_decays_in_a_tensor_by_its_quadratic_form(cells):
    """cos(a x + b y) in a ring in both directions decays at k . K k / (rho c), with second order in the grid."""
    rates = (2 * np.pi, 2 * np.pi / 0.8)
    scene = make_scene(
        "tensor", (cells, cells), boundaries=RING,
        initial={"expression": f"300 + 10*cos({rates[0]}*x + {rates[1]}*y)"},
    )  # fmt: skip
    decay = (50 * rates[0] ** 2 + 2 * 20 * rates[0] * rates[1] + 30 * rates[1] ** 2) / (7800 * 470)
    end = 0.5 / decay
    session = run(scene, end / 32, 32)
    amplitude = session.summary.highest - 300.0
    start = Session(scene, session.clock).summary.highest - 300.0
    expected = np.exp(-0.5)
    assert amplitude / start == pytest.approx(expected, rel=3.6 / cells**2)


def test_a_wave_in_a_flow_moves_with_it_and_decays_as_conduction_says():
    """sin(k (x - v t)) exp(-alpha k^2 t) in a ring, within the error of the scheme on 64 cells."""
    k, speed, alpha = 2 * np.pi, 0.02, 50.0 / (7800 * 470)
    ring = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}
    scene = make_scene("front", (64,), boundaries=ring, velocity=[speed],
                       initial={"expression": "300 + 10*sin(2*pi*x)"})  # fmt: skip
    session = run(scene, 0.25, 200)
    x = (np.arange(64) + 0.5) / 64
    exact = 300 + 10 * np.exp(-alpha * k**2 * 50) * np.sin(k * (x - speed * 50))
    np.testing.assert_allclose(session.field(), exact, atol=0.08)


def test_a_front_of_melting_is_where_neumann_says():
    """Two phases in a half space, held at 360 K, from 300 K: x = 2 lambda sqrt(alpha t) (Carslaw and Jaeger, 11.2)."""
    rho, c, k, latent, melts = 1000.0, 1000.0, 2.0, 1e5, 320.0
    alpha, hot, cold = k / (rho * c), 360.0, 300.0

    def residual(lam):
        return (
            np.exp(-(lam**2)) / erf(lam)
            - (melts - cold) / (hot - melts) * np.exp(-(lam**2)) / erfc(lam)
            - lam * latent * np.sqrt(np.pi) / (c * (hot - melts))
        )

    low, high = 1e-3, 3.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if residual(middle) > 0 else (low, middle)
    material = {"conductivity": k, "density": rho, "specific_heat": c, "melting_temperature": melts,
                "volumetric_latent_heat": rho * latent}  # fmt: skip
    scene = make_scene("melting rod", (200,), domain={"size": [1.0], "section": 0.01}, material=material,
                       boundaries={"x_min": {"type": "temperature", "value": hot}})  # fmt: skip
    end = 5000.0
    session = run(scene, 25.0, 200)
    front = 2 * low * np.sqrt(alpha * end)
    liquid = np.count_nonzero(session.field() > melts) / 200
    assert liquid == pytest.approx(front, abs=1.0 / 200)
    x = (np.arange(200) + 0.5) / 200
    warm = hot - (hot - melts) * erf(x / (2 * np.sqrt(alpha * end))) / erf(low)
    inside = x < front - 0.01
    np.testing.assert_allclose(session.field()[inside], warm[inside], atol=0.5)


FRONT = {"boundaries": {"x_min": {"type": "temperature", "value": 340.0}, "y_max": {
    "type": "convection", "coefficient": 300.0, "ambient": 290.0}}}  # fmt: skip
PAIRS = {
    "front": ((40,), {"boundaries": {"x_min": {"type": "temperature", "value": 340.0}}}, 20.0, 40, 0.15),
    "conductivity": ((20, 16), FRONT, 400.0, 25, 4e-3),
    "capacity": ((20, 16), FRONT, 400.0, 25, 4e-3),
    "tensor": ((20, 16), FRONT, 400.0, 25, 4e-3),
    "flow": ((20, 16), {"boundaries": {"x_min": {"type": "temperature", "value": 340.0}}}, 20.0, 50, 0.15),
    "melting": ((20, 16), FRONT, 4000.0, 100, 0.25),
    "phases": ((20, 16), FRONT, 4000.0, 100, 0.25),
    "glowing": ((10, 8), {}, 1000.0, 20, 0.05),
}


TOLERANCES = {"front": 1e-4, "flow": 1e-4, "melting": 1e-5, "phases": 1e-5, "glowing": 1e-5}


@pytest.mark.parametrize("name", PAIRS)
def test_ticks_lead_to_the_field_of_solve(name):
    """Within a bound of the span, over the same cells: what is left is the error of the ticks in time."""
    cells, changes, end, ticks, bound = PAIRS[name]
    scene = make_scene(name, cells, **changes)
    session = run(scene, end / ticks, ticks)
    problem = replace(scene.problem, end_time=end)
    assert isinstance(problem, HeatProblem)
    expected = solve(problem, tolerance=TOLERANCES.get(name, 1e-5))
    field = expected.final
    span = float(np.ptp(field))
    assert span > 1.0
    assert np.abs(session.field() - field).max() <= bound * span


@pytest.mark.parametrize(
    ("name", "laws", "shape", "end"),
    [("conductivity", {}, "cos(pi*x)", 8000.0), ("tensor", RING, "cos(2*pi*x + 2*pi*y/0.8)", 800.0)],
)
def test_it_is_second_order_in_the_tick(name, laws, shape, end):
    scene = make_scene(name, (12, 10), boundaries=laws, initial={"expression": f"320 + 15*{shape}"})
    counts = (4, 8, 16, 32)
    fields = [run(scene, end / count, count).field() for count in counts]
    errors = [np.abs(field - fields[-1]).max() for field in fields[:-1]]
    sizes = [count**-2 - counts[-1] ** -2 for count in counts[:-1]]  # of errors of second order, against the last
    assert errors[0] / errors[1] == pytest.approx(sizes[0] / sizes[1], rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(sizes[1] / sizes[2], rel=0.15)
