"""Closed forms of certificates: against their definitions, by quadrature and by limits."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from grid.core.errors import FieldError, InvalidFieldsError
from grid.engine.lumped.certificates import bound_mean_error, compute_gap, compute_worst_mean_error, covers
from grid.engine.lumped.exact_cooling import ConvectiveBody, Layer
from grid.engine.verification.certificates import prepare_case

biots = st.floats(1e-3, 3.0)


def ball(shape: str, biot: float, size: float = 0.1) -> ConvectiveBody:
    return ConvectiveBody("body", shape, 3.0 * biot / size, (size,), (3.0,), 5e4)


@st.composite
def bodies(draw: Any, shapes: tuple[str, ...] = ("wall", "box", "cylinder", "sphere", "layers")) -> ConvectiveBody:
    shape = draw(st.sampled_from(shapes))
    if shape == "layers":
        numbers = st.floats(0.1, 10.0)
        stack = tuple(Layer(*draw(st.tuples(numbers, numbers, numbers))) for _ in range(draw(st.integers(1, 4))))
        return ConvectiveBody("body", shape, draw(st.floats(1e-3, 0.3)), layers=stack)
    count = draw(st.integers(2, 3)) if shape == "box" else 1
    sizes, k = ([draw(st.floats(0.2, 5.0)) for _ in range(count)] for _ in range(2))
    return ConvectiveBody("body", shape, draw(biots), tuple(sizes), tuple(k), draw(st.floats(0.1, 10.0)))


@given(bodies())
@settings(max_examples=25, deadline=None)
def test_both_certificates_cover_every_known_body(body):
    assert covers(body, "C1")
    assert covers(body, "C2")


@given(bodies())
@settings(max_examples=10, deadline=None)
def test_shares_of_modes_are_positive_and_add_up_to_one(body):
    mean = body.mean()

    assert mean(np.array([0.0])) == pytest.approx([1.0], abs=1e-12)
    values = mean(np.linspace(0.0, 5.0 * body.time_constant, 50))
    assert np.all(np.diff(values) < 0.0)


@given(bodies(("wall", "cylinder", "sphere", "layers")))
@settings(max_examples=10, deadline=None)
def test_the_mean_lasts_the_corrected_time_constant(body):
    """Where the surface is uniform, the integral of theta_mean over all time is tau (1 + phi)."""
    slow = body.time_constant * (1.0 + body.internal_resistance_phi)
    times = np.concatenate(([0.0], np.geomspace(1e-5 * slow, 60.0 * slow, 4_000)))

    assert np.trapezoid(body.mean()(times), times) == pytest.approx(slow, rel=2e-4)


@pytest.mark.parametrize("shape", ["wall", "cylinder", "sphere"])
def test_the_correction_turns_the_first_order_of_the_error_into_the_second(shape):
    plain = [compute_worst_mean_error(ball(shape, biot)) for biot in (0.02, 0.01)]
    corrected = [compute_worst_mean_error(ball(shape, biot), is_corrected=True) for biot in (0.02, 0.01)]

    assert math.log2(plain[0] / plain[1]) == pytest.approx(1.0, abs=0.05)
    assert math.log2(corrected[0] / corrected[1]) == pytest.approx(2.0, abs=0.1)


def test_a_stack_of_equal_layers_is_half_a_wall():
    wall = ConvectiveBody("w", "wall", 2.0, (0.3,), (1.5,), 7.0)
    stack = ConvectiveBody("s", "layers", 2.0, layers=(Layer(0.1, 1.5, 7.0), Layer(0.2, 1.5, 7.0)))

    assert stack.time_constant == pytest.approx(wall.time_constant)
    assert stack.internal_resistance_phi == pytest.approx(wall.internal_resistance_phi)
    assert stack.slowness == pytest.approx(wall.slowness, rel=1e-5)
    assert compute_worst_mean_error(stack) == pytest.approx(compute_worst_mean_error(wall), rel=1e-4)


def test_a_coat_that_hardly_conducts_leaves_the_metal_below_it_its_slowest_mode():
    """The metal is one lump; with the coat held outside mu = x^2 / (R C_coat), x tan x = C_coat/C_metal, R = d/k."""
    metal, coat = Layer(0.012, 30.0, 3.2e6), Layer(0.004, 3e-7, 1.6e6)
    body = ConvectiveBody("s", "layers", 20.0, layers=(metal, coat))
    heat, cover = metal.thickness * metal.volumetric_heat_capacity, coat.thickness * coat.volumetric_heat_capacity
    x = brentq(lambda x: x * math.tan(x) - cover / heat, 1e-9, 1.5)
    time = coat.thickness / coat.conductivity * cover / x**2

    assert body.slowness == pytest.approx(1.0 + time / body.time_constant, rel=1e-3)
    assert covers(body, "C1")


@given(kappa=st.floats(1.0 + 1e-9, 10.0))
def test_the_gap_is_the_largest_distance_of_two_exponentials(kappa):
    """Its place is t = kappa ln(kappa)/(kappa - 1), where the derivatives agree."""
    t = kappa * math.log1p(kappa - 1.0) / (kappa - 1.0)

    assert compute_gap(kappa) == pytest.approx(math.exp(-t / kappa) - math.exp(-t), abs=1e-9)
    assert compute_gap(1.0) == 0.0


def test_the_rigorous_bound_of_a_wall_is_the_tabulated_one():
    """At Bi = 0.1: kappa = 1 + 4 Bi/pi^2."""
    assert bound_mean_error(ball("wall", 0.1), "C1") == pytest.approx(compute_gap(1.0 + 0.4 / math.pi**2))


WALL = {
    "name": "w",
    "geometry": {"shape": "wall", "half_thickness": 1.0},
    "coefficient": 0.5,
    "conductivity": 1.0,
    "volumetric_heat_capacity": 1.0,
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"coefficient": 0.0}, r"bodies\[0\].coefficient"),
        ({"conductivity": -1.0}, r"bodies\[0\].conductivity"),
        ({"geometry": {"shape": "wall", "half_thickness": 0.0}}, r"bodies\[0\].geometry.half_thickness"),
        ({"geometry": {"shape": "cube"}}, r"bodies\[0\].geometry.shape"),
        ({"geometry": {"shape": "box", "half_sizes": [1.0, 1.0]}, "conductivity": [1.0, 1.0, 1.0]}, "conductivity"),
        ({"colour": "red"}, r"bodies\[0\]"),
    ],
)
def test_what_is_not_physical_is_refused_by_name(change, field):
    case = {"kind": "certificate", "model": "convective_body", "bodies": [WALL | change]}

    with pytest.raises((FieldError, InvalidFieldsError), match=field):
        prepare_case(case)


def test_a_certificate_that_is_too_blunt_does_not_cover():
    case = {"kind": "certificate", "model": "convective_body", "bodies": [WALL]}
    compute = prepare_case(case)

    assert compute({"quantity": "certificate_covers", "certificate": "C1", "largest_ratio": 1.3})
    assert not compute({"quantity": "certificate_covers", "certificate": "C1", "largest_ratio": 1.0})
    with pytest.raises(FieldError, match="body"):
        compute({"quantity": "internal_resistance_phi", "body": "nobody"})
