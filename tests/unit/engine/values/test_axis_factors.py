"""Expressions as sums of products of functions of one coordinate each."""

import numpy as np
import pytest

from grid.engine.values.axis_factors import find_axis_factors
from grid.engine.values.expression import Expression, run_code

PARTED = [
    "4e10*exp(-((x - 0.01 - 0.02*t)**2 + (y - 0.025)**2)/2e-6)",
    "exp(-((x - 0.1*t)**2 + (y - 0.3)**2)/0.1 - (1 - z)/0.2)",
    "exp(-(x - t)**2)*exp(-y**2) + 2*cos(x)*sin(y*t) - 3/(1 + z)",
    "where((x > 0.2 + 0.1*t) & (x < 0.5) & (y > 0.3), 5, 0)",
    "where(x > 0.4, y*t, 2*z) - where((x > 0.1) & (y > t), x*y, 3)",
    "-(x + t)*(y - t)*(z + 1)/(2 + x)",
    "(x + 1)*y/(exp(z)*(1 + t))",
    "exp(2*(x - y)/(1 + t) - (z + x)*3)*t",
    "t*sin(5*t)",
    "7",
]
WHOLE = ["exp(-x*y)", "sin(x + y)", "where(x > y, 1, 0)", "(x + y)**2", "1/(x + y)", "sqrt(x*y)", "maximum(x, y)"]


def evaluate(code, coordinates):
    return np.broadcast_to(
        run_code(code, coordinates), np.broadcast_shapes(*(np.shape(at) for at in coordinates.values()))
    )


@pytest.mark.parametrize("text", PARTED)
def test_products_add_up_to_the_expression(text):
    rng = np.random.default_rng(7)
    coordinates = {name: rng.uniform(0.05, 1.0, 200) for name in "xyzt"}
    products = find_axis_factors(Expression(text).code)

    assert products is not None
    total = np.zeros(200)
    for product in products:
        for axis, code in product.items():
            assert {str(name) for operation, name in code if operation == "variable"} <= {axis, "t"}
        total += np.prod([evaluate(code, coordinates) for code in product.values()], axis=0)
    expected = evaluate(Expression(text).code, coordinates)
    np.testing.assert_allclose(total, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("text", [*WHOLE, "x*y*T"])
def test_what_is_no_such_sum_is_left_whole(text):
    assert find_axis_factors(Expression(text).code) is None


def test_a_sum_of_many_products_is_left_whole():
    sides = "*".join(f"(x*{n} + y)" for n in range(1, 6))

    assert find_axis_factors(Expression(sides).code) is None
