"""Operations of expressions on scalars and arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.values.parser import FUNCTION_ARITY

FloatArray = NDArray[np.float64]
Operand = Any  # float64 scalar or array, or truth values of the same shape

BINARY: dict[str, Callable[[Operand, Operand], Operand]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "&": np.logical_and,
    "|": np.logical_or,
}
_FUNCTIONS: dict[str, Callable[..., Operand]] = {
    name: getattr(np, name) for name in FUNCTION_ARITY if name not in ("erf", "erfc")
}


def apply_power(base: Operand, exponent: Operand) -> Operand:
    """`base ** exponent`; a square, the most frequent one, is a product."""
    return np.multiply(base, base) if np.ndim(exponent) == 0 and exponent == 2.0 else np.power(base, exponent)


def apply_call(name: str, *operands: Operand) -> Operand:
    """Compute the value of a function of the grammar."""
    if name in ("erf", "erfc"):
        from scipy import special  # NumPy has no error function; only expressions with one pay the import

        return getattr(special, name)(*operands)
    return _FUNCTIONS[name](*operands)
