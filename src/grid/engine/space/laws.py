"""Parts of a discretised problem: the laws of its boundary faces, its loads, and data of faces between cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.limits import Limit
from grid.engine.problem.boundaries import Robin
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.value import Value


@dataclass(frozen=True)
class FaceLaw:
    """Law q_n = transmittance (reference - T_P) + imposed for each face of a patch; each a scalar or shape (faces,)."""

    transmittance: Operand  # U, W/(m2 K)
    reference: Operand  # R
    imposed: Operand  # F, W/m2

    def heat_flux(self, temperature: FloatArray) -> FloatArray:
        """Compute q_n [W/m2] into the body, from the temperatures of the cells behind the faces."""
        flux: FloatArray = self.transmittance * (self.reference - temperature) + self.imposed
        return flux


@dataclass(frozen=True)
class Loads:
    """Everything that acts on the body at one time."""

    face_laws: tuple[FaceLaw, ...]  # one for each patch
    source: FloatArray | None  # V q [W], shape (cells in all,)
    operator_key: bytes  # equal keys mean equal transmittances, hence equal matrices
    # values of the loads that are given over time, see `grid.engine.results.load_audit`
    prescribed: tuple[float, ...] = ()


@dataclass(frozen=True)
class Overlay:
    """What acts on a body beside its problem: events of a live run.

    Args:
        remaining: For each patch the share of its film, and of the flux that its law imposes, which is left.
        imposed: For each patch the heat flux into the body beside its law [W/m2], a number or shape (faces,).
        source: Heat of each cell beside the source of the problem [W], flat; None without.
        silent: True in cells whose source of the problem has stopped, flat; None where all have it.
        left: Share of its conductivity that each cell has left, flat; None where all have theirs. It holds for
            conductivities that are evaluated anew; constant ones are lowered in the space itself.
    """

    remaining: tuple[float, ...]
    imposed: tuple[Operand, ...]
    source: FloatArray | None = None
    silent: NDArray[np.bool_] | None = None
    left: FloatArray | None = None

    @property
    def is_driving(self) -> bool:
        """True where heat comes or goes beside what faces exchange with their surroundings."""
        return self.source is not None or any(bool(np.any(flux)) for flux in self.imposed)

    def change_law(self, index: int, law: Robin) -> Robin:
        """Make the law of a patch in force from that of the problem."""
        share = self.remaining[index]
        film = law.film if share == 1.0 else np.asarray(law.film) * share
        return Robin(film, law.reference, law.imposed * share + self.imposed[index])

    def change_source(self, heat: FloatArray | None) -> FloatArray | None:
        """Make the heat of the cells in force from that of the problem [W], flat."""
        if heat is not None and self.silent is not None:
            heat = np.where(self.silent, 0.0, heat)
        if heat is None or self.source is None:
            return self.source if heat is None else heat
        return heat + self.source


@dataclass(frozen=True)
class HeatFlow:
    """Net heat into each cell, and its totals by origin [W]."""

    net: FloatArray  # shape (cells in all,)
    boundary_in: float
    boundary_out: float
    generated: float
    faces: tuple[FloatArray, ...] = ()  # into the cells behind each patch, shape (faces,) each
    prescribed: tuple[float, ...] = ()  # values of the loads, as in `Loads`


@dataclass(frozen=True)
class Coupling:
    """One pair of axes and K_ab of every cell, shape `cells` [W/(m K)]."""

    first: int
    second: int
    conductivity: FloatArray


@dataclass(frozen=True)
class Correction:
    """The part of the flow through faces that is not in the matrix.

    Args:
        drawn: For each axis the part of the conductance of every face that the matrix omits, the lesser of G and
            abs(c)/2 [W/K]; one more than cells along the axis. None along an axis without flow.
        is_strict: True where no local extreme may grow, at first order there.
    """

    drawn: tuple[FloatArray | None, ...]
    is_strict: bool = False

    def find_conductance(self, axis: int, central: FloatArray, carried: float) -> FloatArray:
        """Compute G of the faces normal to an axis from g + c/2, which it is up to a cell Peclet number of 2 [W/K]."""
        drawn = self.drawn[axis]
        return central if drawn is None else np.where(drawn < 0.5 * abs(carried), drawn, central)


@dataclass(frozen=True)
class Joints:
    """Faces of one axis at which two materials meet, or a contact lies.

    Args:
        axis: Axis normal to them.
        low, high: Flat indices of the cells on both sides, shape (faces,).
        coordinates: Centres of these cells.
        regions: Materials of these cells; None where there is one.
        resistance: Resistance of the contact [m2 K/W], shape (faces,).
    """

    axis: int
    low: NDArray[np.intp]
    high: NDArray[np.intp]
    coordinates: tuple[dict[str, Operand], dict[str, Operand]]
    regions: tuple[NDArray[np.int16] | None, NDArray[np.int16] | None]
    resistance: FloatArray


@dataclass(frozen=True)
class JointSlopes:
    """Conductivities and derivatives of the heat at faces between two materials.

    Args:
        joints: The faces.
        k_low, k_high: Mean conductivities of both half cells [W/(m K)].
        low, high: Derivatives of the heat from the low to the high cell, by the temperature of each [W/K] over area.
    """

    joints: Joints
    k_low: FloatArray
    k_high: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class FaceMeans:
    """Mean conductivities beside the faces of an axis [W/(m K)].

    Args:
        high: Mean of each cell between its temperature and that beyond its high face, shape `cells`.
        low: The same for the low face.
        slopes: Derivatives at the faces where materials or contacts meet.
    """

    high: FloatArray
    low: FloatArray
    slopes: JointSlopes | None


def add_prescribed(before: tuple[float, ...], loads: Loads, step: float) -> tuple[float, ...]:
    """Add one step with constant prescribed loads to their time integrals [unit of the load times s]."""
    if not loads.prescribed:
        return ()
    return tuple(
        one + step * value
        for one, value in zip(before or (0.0,) * len(loads.prescribed), loads.prescribed, strict=True)
    )


def eliminate_surface(law: Robin, half: FloatArray) -> FaceLaw:
    """Eliminate the surface temperature between a law and the half cell behind it."""
    film = np.asarray(law.film, np.float64)
    endless = np.isinf(film)
    finite = np.where(endless, 0.0, film)
    # with a strong inflow the half cell may conduct nothing
    total = np.where(endless | (half + finite == 0.0), 1.0, half + finite)
    share = np.where(endless, 1.0, finite / total)
    return FaceLaw(half * share, law.reference, law.imposed * (1.0 - share))


def split_signs(heat: FloatArray) -> tuple[float, float]:
    """Sum of the positive values, and minus the sum of the negative ones."""
    into = float(np.maximum(heat, 0.0).sum())
    return into, into - float(heat.sum())


def evaluate_checked(
    path: str, value: Value, coordinates: dict[str, Operand], limit: Limit, used: NDArray[np.bool_] | None = None
) -> Operand:
    """Evaluate a value where it is used; a value that is not finite or outside the limit is refused by name."""
    result = np.asarray(value.evaluate(coordinates), dtype=np.float64)
    if used is not None and result.ndim:
        some = np.broadcast_to(result, used.shape)[np.unravel_index(int(used.argmax()), used.shape)]
        result = np.where(used, result, some)  # elsewhere it is not used
    low, high = (result.min(), result.max()) if result.size else (0.0, 0.0)  # NaN spreads to both
    if not (limit.allows(float(low)) and limit.allows(float(high))):
        raise FieldError(path, f"everywhere {limit}")
    return result if result.ndim else np.float64(result)
