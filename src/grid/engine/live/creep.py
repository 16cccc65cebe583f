"""Life at high temperature by the Larson-Miller parameter, and Robinson's sum of life fractions.

Rupture after t hours at T kelvin: T (C + log10 t) = P, a parameter of the stress (F. R. Larson, J. Miller, Trans. ASME
74, 1952). Life fractions add up, sum of dt / t_r(T) = 1 at rupture (E. L. Robinson, Trans. ASME 74, 1952). The stress
is the primary one, of loads and weights: thermal stresses relax as the material creeps.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from grid.core.errors import FieldError
from grid.engine.arguments import require_number
from grid.engine.limits import Limit
from grid.engine.values.operations import FloatArray

CONSTANT = Limit(5.0, 60.0, "1")
PARAMETER = Limit(1.0, 1e9, "K")
STRESS = Limit(1e-3, 1e15, "Pa")
HOUR = 3600.0  # [s]
ENTRIES = 256  # [-] entries of a table of rates
LONGEST, SHORTEST = 1e12, 1.0  # [s] rupture times at the ends of a table: 32,000 years, and a second
MAX_ENTRIES = 1000  # [-] stresses of a table


@dataclass(frozen=True)
class LarsonMiller:
    """Table of the Larson-Miller parameter over stress, and the primary stress that the body bears.

    Args:
        table: Pairs of stress [Pa], rising, and parameter [K, with hours]; linear in the logarithm of the stress.
        load: Primary stress [Pa], within the table; of any size where it has one entry.
        constant: C.
    """

    table: tuple[tuple[float, float], ...]
    load: float
    constant: float = 20.0

    def __post_init__(self) -> None:
        require_number("creep.constant", self.constant, CONSTANT)
        require_number("creep.load_pa", self.load, STRESS)
        table = self.table if isinstance(self.table, (tuple, list)) else ()
        if not 1 <= len(table) <= MAX_ENTRIES or not all(isinstance(pair, (tuple, list)) for pair in table):
            raise FieldError("creep.larson_miller", f"1 to {MAX_ENTRIES} pairs of stress and parameter")
        if any(len(pair) != 2 for pair in table):
            raise FieldError("creep.larson_miller", "pairs of stress in Pa and parameter in K")
        object.__setattr__(self, "table", tuple((pair[0], pair[1]) for pair in table))
        for index, (stress, parameter) in enumerate(self.table):
            require_number(f"creep.larson_miller[{index}][0]", stress, STRESS)
            require_number(f"creep.larson_miller[{index}][1]", parameter, PARAMETER)
        stresses = [stress for stress, _ in self.table]
        if any(a >= b for a, b in itertools.pairwise(stresses)):
            raise FieldError("creep.larson_miller", "stresses that rise from pair to pair")
        if len(stresses) > 1 and not stresses[0] <= self.load <= stresses[-1]:
            raise FieldError("creep.load_pa", f"within the table: {stresses[0]:g} to {stresses[-1]:g} Pa")

    @property
    def parameter(self) -> float:
        """P at the load [K]."""
        stress, parameter = np.array(self.table).T
        return float(np.interp(np.log10(self.load), np.log10(stress), parameter))

    def rupture_time(self, temperature: ArrayLike) -> FloatArray:
        """Time to rupture [s] at absolute temperatures [K]."""
        out: FloatArray = HOUR * 10.0 ** (self.parameter / np.asarray(temperature, np.float64) - self.constant)
        return out

    def make_rates(self) -> tuple[float, float, FloatArray]:
        """A table of 1 / t_r [1/s] over absolute temperature, to be read linearly: first temperature, step [K], rates.

        Below the first entry a rupture would take longer than `LONGEST`, and no life is used up; above the last one
        the rate stays that of `SHORTEST`. Between entries the rate is too high by less than 1 %.
        """
        first, last = (self.parameter / (self.constant + float(np.log10(time / HOUR))) for time in (LONGEST, SHORTEST))
        temperature = np.linspace(first, last, ENTRIES)
        return first, (last - first) / (ENTRIES - 1), 1.0 / self.rupture_time(temperature)

    def to_json(self) -> dict[str, object]:
        """The law as JSON."""
        return {
            "larson_miller": [list(pair) for pair in self.table],
            "load_pa": self.load,
            "constant": self.constant,
        }
