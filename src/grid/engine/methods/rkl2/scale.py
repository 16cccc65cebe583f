"""The one function of temperature that all conductivities of a problem may share, up to a factor each."""

import numpy as np

from grid.engine.problem.problem import HeatProblem
from grid.engine.space.mesh import open_coordinates
from grid.engine.values.expression import Expression
from grid.engine.values.operations import FloatArray
from grid.engine.values.temperature_integral import find_degree
from grid.engine.values.value import Value

EXACT = 1e-10  # [-] largest difference of a cubic from a conductivity, over the conductivity


def find_scale(problem: HeatProblem, low: float, high: float) -> FloatArray | None:
    """Cubic of temperature that all conductivities share, up to a factor each; 1 in the middle of an interval.

    None where there is none, or something else but the laws of the boundaries depends on temperature.
    """
    reference, wide = 0.5 * (low + high), widen(low, high)
    if not all(law.is_polynomial for law in problem.boundaries.values()):
        return None
    if any("T" in value.variables for value in problem.loads) or problem.domain.active is not None or problem.contacts:
        return None
    shapes: list[FloatArray] = []
    for value in dict.fromkeys(value for material in problem.materials for value in material.conductivity):
        if "t" in value.variables or ("T" in value.variables and not isinstance(value, Expression)):
            return None
        shape = _shape(problem, value, *wide) if "T" in value.variables else np.array([1.0, 0.0, 0.0, 0.0])
        if shape is None:
            return None
        shapes.append(shape / np.polynomial.polynomial.polyval(reference, shape))
    at = np.linspace(*wide, 33)
    curves = [np.polynomial.polynomial.polyval(at, shape) for shape in shapes]
    least = np.polynomial.polynomial.polyval(np.linspace(low, high, 33), shapes[0]).min()
    if any(np.abs(curve - curves[0]).max() > EXACT * np.abs(curve).max() for curve in curves[1:]) or least <= 0.0:
        return None
    return shapes[0]


def _shape(problem: HeatProblem, value: Value, low: float, high: float) -> FloatArray | None:
    """The polynomial of the least degree up to 3 that a value is by its form; None if it is none.

    That it meets one at many temperatures does not exclude a spike between two of them.
    """
    degree = find_degree(value)
    if degree is None or degree > 3:
        return None
    at = np.linspace(low, high, 33)
    middle = {
        name: np.float64(np.ravel(axis)[axis.size // 2]) for name, axis in open_coordinates(problem.domain).items()
    }
    if value.variables - {"T"}:
        return None
    found = np.broadcast_to(value.evaluate({**middle, "T": at}), at.shape)
    if not np.all(np.isfinite(found)):
        return None
    for degree in range(4):
        fit = np.polynomial.Polynomial.fit(at, found, degree).convert().coef
        cubic: FloatArray = np.pad(np.asarray(fit, np.float64), (0, 4 - fit.size))
        miss = np.abs(np.polynomial.polynomial.polyval(at, cubic) - found).max()
        if miss <= EXACT * np.abs(found).max():
            return cubic
    return None


def widen(low: float, high: float) -> tuple[float, float]:
    """An interval with as much again on either side, and a quarter of its largest temperature at least."""
    margin = max(high - low, 0.25 * max(abs(low), abs(high))) or 1.0
    return low - margin, high + margin
