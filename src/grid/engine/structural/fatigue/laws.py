r"""Life under cycles of stress and strain: laws of one cycle, and Miner's sum.

- Basquin (Proc. ASTM 10, 1910): amplitude = s (2N)^b.
- Coffin and Manson (Manson, NACA TN 2933, 1953; Coffin, Trans. ASME 76, 1954): plastic range / 2 = c (2N)^e.
- Universal slopes (Manson, Experimental Mechanics 5, 1965): range = 3.5 (s_u/E) N^-0.12 + e_f^0.6 N^-0.6.
- Miner (J. Appl. Mech. 12, 1945): damage = sum of cycles / N.

Laws take a range, not an amplitude, and return N, infinite for no range.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from grid.engine.values.operations import FloatArray

Life = Callable[[FloatArray], FloatArray]  # cycles to failure for ranges, of any shape
# [-] constants of the method of universal slopes, Manson 1965
ELASTIC_SLOPE, PLASTIC_SLOPE, ELASTIC_FACTOR, DUCTILITY_POWER = 0.12, 0.6, 3.5, 0.6


@dataclass(frozen=True)
class PowerLaw:
    """Law range / 2 = coefficient (2N)^exponent: Basquin's for stresses [Pa], Coffin's and Manson's for strains."""

    coefficient: float
    exponent: float  # negative

    def __call__(self, ranges: ArrayLike) -> FloatArray:
        """Compute the cycles to failure N for ranges of any shape."""
        amplitude = 0.5 * np.abs(np.asarray(ranges, dtype=np.float64))
        with np.errstate(divide="ignore", over="ignore"):
            out: FloatArray = 0.5 * (amplitude / self.coefficient) ** (1.0 / self.exponent)
        return out


@dataclass(frozen=True)
class UniversalSlopes:
    """Manson's law for the whole strain range.

    Args:
        young_modulus: [Pa].
        ultimate_strength: [Pa].
        true_fracture_ductility: Natural strain at fracture.
    """

    young_modulus: float
    ultimate_strength: float
    true_fracture_ductility: float

    def compute_range(self, cycles: ArrayLike) -> FloatArray:
        """Strain range that leads to failure after so many cycles."""
        n = np.asarray(cycles, dtype=np.float64)
        elastic = ELASTIC_FACTOR * self.ultimate_strength / self.young_modulus * n**-ELASTIC_SLOPE
        out: FloatArray = elastic + self.true_fracture_ductility**DUCTILITY_POWER * n**-PLASTIC_SLOPE
        return out

    def __call__(self, ranges: ArrayLike) -> FloatArray:
        """Cycles to failure, by Newton's method on the logarithms.

        The logarithm of a sum of powers is convex and falling in log N, and either term alone fails too early, so the
        iteration starts left of the root and rises to it without passing it.
        """
        strain = np.abs(np.asarray(ranges, dtype=np.float64))
        asked = np.log(np.where(strain > 0.0, strain, 1.0))
        elastic = math.log(ELASTIC_FACTOR * self.ultimate_strength / self.young_modulus)
        plastic = DUCTILITY_POWER * math.log(self.true_fracture_ductility)
        log_n = np.maximum((elastic - asked) / ELASTIC_SLOPE, (plastic - asked) / PLASTIC_SLOPE)
        for _ in range(60):
            first, second = elastic - ELASTIC_SLOPE * log_n, plastic - PLASTIC_SLOPE * log_n
            total = np.logaddexp(first, second)
            slope = ELASTIC_SLOPE * np.exp(first - total) + PLASTIC_SLOPE * np.exp(second - total)
            step = (total - asked) / slope
            log_n = log_n + step
            if np.all(np.abs(step) <= 1e-15 * np.maximum(1.0, np.abs(log_n))):
                break
        with np.errstate(over="ignore"):
            out: FloatArray = np.where(strain > 0.0, np.exp(log_n), np.inf)
        return out


def compute_damage(ranges: ArrayLike, cycles: ArrayLike, life: Life) -> float:
    """Miner's sum of cycles / N."""
    return float(np.sum(np.asarray(cycles, dtype=np.float64) / life(np.asarray(ranges, dtype=np.float64))))


def compute_blocks_to_failure(damage: ArrayLike, already: ArrayLike = 0.0) -> FloatArray:
    """Count the blocks of `damage` each until failure after damage `already` done; infinite without damage."""
    left = np.maximum(1.0 - np.asarray(already, dtype=np.float64), 0.0)
    damage = np.asarray(damage, dtype=np.float64)
    with np.errstate(over="ignore"):  # infinite for negligible damage as well
        out: FloatArray = np.where(damage > 0.0, left / np.where(damage > 0.0, damage, 1.0), np.inf)
    return out
