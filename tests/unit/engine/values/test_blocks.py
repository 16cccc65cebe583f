"""The compiled stack machine gives what NumPy's evaluator gives, byte for byte, on any expression and grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine import Expression
from grid.engine.values import blocks as expression_blocks
from grid.engine.values import expression

EDGES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, -1e300, 1.0])
ARITHMETIC = ["sqrt", "abs"]
FUNCTIONS = ["sin", "cos", "tanh", "exp", "erf"]


def make_places(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Open places like those of a grid, a temperature everywhere with all that is odd in it, and a time."""
    random = np.random.default_rng(len(shape))
    coordinates = {}
    for axis, name in zip(range(len(shape)), "xyz", strict=False):
        line = np.linspace(-1.0, 2.0, shape[axis])
        coordinates[name] = line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    temperature = random.normal(size=shape) * 10.0
    odd = EDGES[: temperature.size]
    temperature.reshape(-1)[: odd.size] = odd
    return coordinates | {"T": temperature, "t": np.float64(2.5)}


def by_machine(text: str, coordinates: dict[str, np.ndarray]) -> np.ndarray:
    """Everything that can be on the machine, however little it is."""
    expression = Expression(text)
    shape = np.broadcast_shapes(*(np.shape(coordinates[name]) for name in expression.variables))
    return expression_blocks.evaluate_blocks(expression.code, expression.kind, coordinates, shape)


def assert_same(text: str, coordinates: dict[str, np.ndarray]) -> None:
    expected, found = Expression(text).evaluate(coordinates), by_machine(text, coordinates)

    assert np.shape(found) == np.shape(expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(found, expected)  # NaN equals NaN here, and nothing else is forgiven


@pytest.fixture(autouse=True)
def _everything_on_the_machine(monkeypatch):
    monkeypatch.setattr(expression_blocks, "FEW_OPERATIONS", 0)


@pytest.mark.jit
@pytest.mark.parametrize(
    "text",
    [
        "T*T - x", "-T/(y - y)", "T**2 + 2*x*y", "T**3", "2**T", "T**x", "sqrt(abs(T)) + sqrt(T)", "minimum(T, x*y)",
        "maximum(x*y, T) + minimum(y, T)", "where(T < 0, 1/T, T)", "T < x", "T <= y", "T > 1", "T >= 1", "T == 1",
        "T != 1", "(T < x) | (T > y)", "((T < x) | (T > y)) & (x < 1)", "where((x < y) & (T < 1), exp(T), x - T) * T",
        "where(x < 0.5, T < 1, T > 1)", "exp(-((x - 0.3)**2 + (y - 0.6)**2)/0.005) + T", "erf(T*x)*T + erfc(x*y)",
        "t*T",
        "where(where(x < 0, y < 0, y > 0), T, 2*T)", "(x + T) - (y - (T*(x - (y + T))))",
    ],
)  # fmt: skip
def test_every_operation_gives_the_bytes_of_numpy(text):
    assert_same(text, make_places((3, 5)))


@pytest.mark.jit
@pytest.mark.parametrize("shape", [(1030,), (2, 1025), (3, 2, 513), (8, 1), (2, 3, 1)])
def test_any_grid_is_cut_into_blocks_that_fit(shape):
    axes = "xyz"[: len(shape)]
    assert_same(
        " + ".join(f"{axis}*T" for axis in axes) + f" - where({axes[-1]} > 0.5, T, {axes[0]})", make_places(shape)
    )


numbers = st.floats(-50, 50).map(lambda v: f"({v:.6g})" if v < 0 else f"{v:.6g}")
leaves = numbers | st.sampled_from(["x", "y", "T", "t", "pi"])


def combine(children):
    binary = st.tuples(children, st.sampled_from(["+", "-", "*", "/", "**"]), children).map(
        lambda p: f"({p[0]}){p[1]}({p[2]})"
    )
    calls = st.tuples(st.sampled_from(ARITHMETIC + FUNCTIONS), children).map(lambda p: f"{p[0]}({p[1]})")
    pairs = st.tuples(st.sampled_from(["minimum", "maximum"]), children, children).map(
        lambda p: f"{p[0]}({p[1]}, {p[2]})"
    )
    picks = st.tuples(children, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), children, children).map(
        lambda p: f"where({p[0]} {p[1]} {p[2]}, {p[3]}, -({p[0]}))"
    )
    return binary | calls | pairs | picks


@settings(max_examples=150, deadline=None)
@given(st.recursive(leaves, combine, max_leaves=14))
def test_a_random_expression_has_one_value_on_both(text):
    coordinates = make_places((4, 7))
    if {"x", "y"} & Expression(text).variables or "T" in Expression(text).variables:
        assert_same(text, coordinates)


@pytest.mark.jit
def test_an_expression_on_many_cells_goes_to_the_machine(monkeypatch):
    coordinates = make_places((3, 5))
    expected = Expression("x*T + y").evaluate(coordinates)
    runs = []
    machine = expression_blocks.machine.run_blocks
    monkeypatch.setattr(expression_blocks.machine, "run_blocks", lambda *given: (runs.append(1), machine(*given)))
    monkeypatch.setattr(expression, "MANY_CELLS", 1)

    np.testing.assert_array_equal(Expression("x*T + y").evaluate(coordinates), expected)
    assert runs


def test_few_operations_stay_with_numpy(monkeypatch):
    monkeypatch.setattr(expression_blocks, "FEW_OPERATIONS", 6)
    monkeypatch.setattr(expression_blocks.machine, "run_blocks", None)

    assert_same("where(-sqrt(abs(T)) < x**2, T*T, minimum(y, T))", make_places((3, 5)))
