"""Full conductivity tensors: exact for linear fields, second order, conserving, and honest about extremes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError, InputError, UnsupportedError
from grid.engine import HeatProblem, solve
from grid.engine.verification.quantities import compute_observed_order

pytestmark = pytest.mark.usefixtures("without_coverage")

SHEARED = {2: [[2.0, 0.7], [0.7, 1.0]], 3: [[2.0, 0.7, -0.3], [0.7, 1.0, 0.2], [-0.3, 0.2, 0.8]]}
SLOPE = (3.0, -2.0, 1.5)


def plane(dimension):
    return {"expression": " + ".join(f"{SLOPE[axis]!r}*{'xyz'[axis]}" for axis in range(dimension)) + " + 10"}


def flux_into(tensor, axis, end):
    """n . K grad T of the linear field, n pointing outwards."""
    along = sum(k * slope for k, slope in zip(tensor[axis], SLOPE, strict=False))
    return along if end == "max" else -along


def body(dimension, tensor, boundaries, **changes):
    return {
        "dimension": dimension,
        "steady": True,
        "domain": {"size": [1.0, 0.8, 0.6][:dimension]},
        "material": {"conductivity": tensor, "volumetric_heat_capacity": 1.0},
        "boundaries": boundaries,
        "resolution": {"cells": [7, 6, 5][:dimension]},
        **changes,
    }


def law(kind, tensor, dimension, axis, end):
    """A boundary condition of a kind that the linear field satisfies."""
    if kind == "temperature":
        return {"type": "temperature", "value": plane(dimension)}
    flux = flux_into(tensor, axis, end)
    if kind == "flux":
        return {"type": "flux", "value": flux}
    return {
        "type": "convection",
        "coefficient": 4.0,
        "ambient": {"expression": f"{plane(dimension)['expression']} + {flux / 4.0!r}"},
    }


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("kind", ["temperature", "flux", "convection"])
def test_a_linear_field_is_exact_with_any_tensor_and_boundary(dimension, kind):
    tensor = SHEARED[dimension]
    boundaries = {
        f"{'xyz'[axis]}_{end}": law("temperature" if (axis, end) == (0, "min") else kind, tensor, dimension, axis, end)
        for axis in range(dimension)
        for end in ("min", "max")
    }
    solution = solve(HeatProblem.from_case(body(dimension, tensor, boundaries)))

    for point in ((0.0, 0.0, 0.0), (0.31, 0.77, 0.12), (1.0, 0.4, 0.6), (0.5, 0.8, 0.3)):
        exact = 10 + sum(slope * x for slope, x in zip(SLOPE, point[:dimension], strict=False))
        assert solution.temperature_at(point[:dimension]) == pytest.approx(exact, abs=1e-10)
    middle = (0.5, 0.4, 0.3)[:dimension]
    for axis in range(dimension):
        assert solution.heat_flux(middle, f"+{'xyz'[axis]}") == pytest.approx(-flux_into(tensor, axis, "max"), abs=1e-9)
    assert solution.is_accepted, solution.audits


def test_layers_of_different_tensors_share_temperature_and_normal_flux_exactly():
    """T = s_i (x - 1/2) + 2 y with K_xx s_i the same in both layers, of contrast 50, and one K_xy."""
    left, right = [[1.0, 0.5], [0.5, 3.0]], [[50.0, 0.5], [0.5, 2.0]]
    steep = 4.0
    flat = steep / 50.0
    exact = {"expression": f"where(x < 0.5, {steep!r}, {flat!r})*(x - 0.5) + 2*y"}
    held = {"type": "temperature", "value": exact}
    case = body(2, left, dict.fromkeys(("x_min", "x_max"), held))
    case["domain"] = {"size": [1.0, 1.0]}
    case["resolution"] = {"cells": [8, 6]}
    for face, sign in (("y_min", -1), ("y_max", 1)):
        inner = [sign * (k[1][0] * s + k[1][1] * 2) for k, s in ((left, steep), (right, flat))]
        case["boundaries"][face] = {
            "type": "flux",
            "value": {"expression": f"where(x < 0.5, {inner[0]!r}, {inner[1]!r})"},
        }
    case["material"] = [
        {"where": {"expression": "x < 0.5"}, "conductivity": left},
        {"where": {"expression": "x >= 0.5"}, "conductivity": right},
    ]
    solution = solve(HeatProblem.from_case(case))

    x, y = np.meshgrid(*solution.coordinates.values(), indexing="ij")
    expected = np.where(x < 0.5, steep, flat) * (x - 0.5) + 2 * y
    assert np.abs(solution.final - expected).max() < 1e-9


def test_a_varying_tensor_converges_at_second_order():
    """T = sin(2x + y) with K = [[2 + x, xy], [xy, 1 + y]]; the source is -div(K grad T) by hand."""
    case = body(
        2,
        [
            [{"expression": "2 + x"}, {"expression": "x*y"}],
            [{"expression": "y*x"}, {"expression": "1 + y"}],
        ],
        {
            face: {"type": "temperature", "value": {"expression": "sin(2*x + y)"}}
            for face in ("x_min", "x_max", "y_min", "y_max")
        },
        source_term={
            "expression": "sin(2*x + y)*(4*(2 + x) + 4*x*y + 1 + y) - cos(2*x + y)*(2 + 2*x + y + 1)",
        },
        exact={"expression": "sin(2*x + y)"},
    )
    order = compute_observed_order(HeatProblem.from_case(case), {"grids": [[12, 12], [24, 24], [48, 48]]})

    assert order > 1.9


def test_diagonal_tensors_are_the_same_as_one_value_for_each_axis():
    boundaries = {"x_min": {"type": "temperature", "value": 1.0}, "y_max": {"type": "temperature", "value": 3.0}}
    full = solve(HeatProblem.from_case(body(2, [[2.0, 0.0], [0.0, 5.0]], boundaries)))
    axes = solve(HeatProblem.from_case(body(2, [2.0, 5.0], boundaries)))

    assert np.array_equal(full.final, axes.final)


def transient(tensor, initial, **changes):
    resolution = {"cells": [9, 8], "steps": 10, "end_time": 0.05}
    return body(2, tensor, {}, steady=False, initial={"expression": initial}, resolution=resolution, **changes)


def test_a_mirrored_body_has_the_mirrored_field():
    """x -> -x turns K_xy into -K_xy."""
    plus = solve(HeatProblem.from_case(transient([[2.0, 0.9], [0.9, 1.0]], "exp(-10*(x - 0.3)**2 + y)")))
    minus = solve(HeatProblem.from_case(transient([[2.0, -0.9], [-0.9, 1.0]], "exp(-10*(0.7 - x)**2 + y)")))

    assert np.abs(plus.final - minus.final[::-1]).max() < 1e-11


@settings(max_examples=15, deadline=None)
@given(
    k_x=st.floats(0.1, 20.0),
    k_y=st.floats(0.1, 20.0),
    share=st.floats(-0.95, 0.95),
    is_periodic=st.booleans(),
    is_nonlinear=st.booleans(),
)
def test_an_insulated_body_keeps_its_heat(k_x, k_y, share, is_periodic, is_nonlinear):
    off = share * (k_x * k_y) ** 0.5
    rows = [[k_x, off], [off, k_y]]
    tensor = [[{"expression": f"{k!r}*(1 + T/10)"} for k in row] for row in rows] if is_nonlinear else rows
    boundaries = {f"x_{end}": {"type": "periodic"} for end in ("min", "max")} if is_periodic else {}
    case = transient(tensor, "1 + cos(2*pi*x)*y") | {"boundaries": boundaries}
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted, solution.audits
    assert abs(solution.metrics["stored_heat_change"]) < 1e-9
    assert np.ptp(solution.final) < np.ptp(solution.fields[0])


def test_extremes_are_reported_where_they_are_not_ruled_out():
    """One to a thousand along the diagonal, and a spike: a nine-point scheme undershoots, and the run says so."""
    steep = [[500.5, 499.5], [499.5, 500.5]]
    case = transient(steep, "where((abs(x - 0.5) < 0.06) & (abs(y - 0.4) < 0.06), 1, 0)")
    case["resolution"] = {"cells": [20, 20], "steps": 4, "end_time": 1e-5}
    solution = solve(HeatProblem.from_case(case))
    [audit] = [audit for audit in solution.audits if audit.name == "maximum_principle"]

    assert solution.plan.method == "implicit"
    assert "tensor" in solution.plan.reason
    assert audit.verdict == "not_applicable"
    assert "tensor" in audit.detail
    assert audit.value == pytest.approx(-solution.final.min(), rel=1e-6)
    assert audit.value > 1e-4


@pytest.mark.parametrize(
    "tensor",
    [
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, 0.2], [0.3, 1.0]],
        [[1.0, {"expression": "x"}], [{"expression": "y"}, 2.0]],
        [[1.0, 0.2], [0.2]],
        [[1.0, 0.2, 0.1], [0.2, 1.0, 0.1]],
        [[1.0, 0.2], 0.2],
        [[-1.0, 0.0], [0.0, 1.0]],
        [[1.0, 1e12], [1e12, 1.0]],
    ],
)
def test_a_tensor_that_is_not_symmetric_and_positive_definite_is_refused(tensor):
    held = {"x_min": {"type": "temperature", "value": 0.0}}

    with pytest.raises(InputError, match="conductivity"):
        solve(HeatProblem.from_case(body(2, tensor, held)))


def test_three_directions_are_checked_together():
    """Every pair is positive definite, the three together are not."""
    tensor = [[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]

    with pytest.raises(FieldError, match="positive definite"):
        solve(HeatProblem.from_case(body(3, tensor, {"x_min": {"type": "temperature", "value": 0.0}})))


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": {"size": [1.0, 0.8], "active": {"expression": "x < 0.7"}}},
        {"contacts": [{"axis": "y", "position": 0.4, "conductance": 1.0}]},
    ],
)
def test_what_a_tensor_does_not_go_with_is_refused_by_name(changes):
    with pytest.raises(UnsupportedError, match="tensor"):
        HeatProblem.from_case(body(2, SHEARED[2], {}, **changes))
