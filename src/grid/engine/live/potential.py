r"""Thermal stresses in the plane of a free plate of one material, by Goodier's displacement potential.

.. math::
    \nabla^2 \psi = (1 + \nu)\,\alpha\,(T - \bar T), \qquad
    \sigma_{xx} = -2G\,\psi_{yy}, \quad \sigma_{yy} = -2G\,\psi_{xx}, \quad \sigma_{xy} = 2G\,\psi_{xy}

(J. N. Goodier, Phil. Mag. 23, 1937; S. P. Timoshenko, J. N. Goodier, Theory of Elasticity, 3rd ed. 1970, section 162.)
The five-point equation is solved by a discrete cosine transform, as if the plate went on in its mirror image: the edges
then neither move across themselves nor bear shear. What free edges add to that is left out, so the stress is right away
from the edges, and an estimate beside them. Damaged and failed cells count as sound.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import UnsupportedError
from grid.engine.live.stepping import Window, take_cells
from grid.engine.problem.problem import HeatProblem
from grid.engine.values.operations import FloatArray


@dataclass(frozen=True)
class PotentialStress:
    """Stress of a plate by its potential; an estimate.

    Args:
        von_mises: Of each cell, flat in C order [Pa].
        peak: The largest [Pa].
        utilisation: The largest over the yield stress.
        weakest: Flat index of its cell.
    """

    von_mises: FloatArray
    peak: float
    utilisation: float
    weakest: int


@dataclass(frozen=True, eq=False)
class PotentialPlan:
    """Numbers of a plate that all its fields share.

    Args:
        symbol: (1 + nu) alpha over the eigenvalue of each cosine; 0 for the constant, shape `cells` [m2/K].
        factors: See `grid.engine.live.potential_kernels.find_von_mises`.
        yield_stress: [Pa].
    """

    symbol: FloatArray
    factors: FloatArray
    yield_stress: float


def find_obstacle(problem: HeatProblem, support: str) -> str | None:
    """Why a plate has no potential; None where it has one."""
    if problem.dimension != 2:
        return "a potential is that of a plate, in 2D"
    if len(problem.materials) > 1:
        return "a potential is that of one material"
    if problem.domain.active is not None:
        return "a potential is that of a plate that fills its box"
    if support != "free":
        return "a potential is that of a free plate"
    if min(problem.domain.cells) < 3:
        return "a potential takes three cells along each axis"
    return None


def make_potential_plan(problem: HeatProblem) -> PotentialPlan:
    """Prepare the potential of a plate.

    Raises:
        UnsupportedError: There is none; it says why.
    """
    if (reason := find_obstacle(problem, "free")) is not None:
        raise UnsupportedError(f"stress by a potential ({reason})")
    material = problem.materials[0]
    modulus, ratio = material.young_modulus, material.poisson_ratio
    expansion, limit = material.thermal_expansion, material.yield_stress
    if modulus is None or ratio is None or expansion is None or limit is None:
        raise UnsupportedError("stress by a potential of a material without elastic properties")
    symbol: Any = 0.0
    for axis, (count, size) in enumerate(zip(problem.domain.cells, problem.domain.spacing, strict=True)):
        wave = 2.0 * np.sin(0.5 * np.pi * np.arange(count) / count) / size
        symbol = symbol - np.expand_dims(wave**2, 1 - axis)
    symbol[0, 0] = 1.0
    symbol = (1.0 + ratio) * expansion / symbol
    symbol[0, 0] = 0.0  # of the mean, which leaves a free plate without stress
    shear = modulus / (1.0 + ratio)  # 2 G
    dx, dy = problem.domain.spacing
    return PotentialPlan(symbol, shear * np.array([1.0 / dx**2, 1.0 / dy**2, 0.25 / (dx * dy)]), limit)


def solve_potential(
    plan: PotentialPlan, window: Window, values: FloatArray, failed: NDArray[np.uint8] | None = None
) -> PotentialStress:
    """Stress of a plate at a field; the same bytes for any number of threads.

    Args:
        plan: Of the plate.
        window: Places of the cells in `values`.
        values: Flat array with the temperatures of the cells; only read.
        failed: Not 0 in cells that have failed and bear nothing, flat. The others bear what they would beside sound
            ones.
    """
    from scipy.fft import dctn, idctn

    from grid.engine.live.potential_kernels import find_von_mises

    spectrum = dctn(take_cells(window, values)[0], norm="ortho", workers=1)
    spectrum *= plan.symbol
    potential = idctn(spectrum, norm="ortho", overwrite_x=True, workers=1)
    out = np.empty(plan.symbol.shape)
    find_von_mises(potential, plan.factors, out)
    flat = out.reshape(-1)
    if failed is not None:
        flat[failed != 0] = 0.0
    weakest = int(np.argmax(flat))
    peak = float(flat[weakest])
    return PotentialStress(flat, peak, peak / plan.yield_stress, weakest)
