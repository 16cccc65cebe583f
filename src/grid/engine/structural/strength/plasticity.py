r"""Elastic-perfectly-plastic bars and bundles of fibres under histories of temperature.

A fibre has the stress sigma = E (strain - thermal strain - plastic strain), kept within +-yield_stress by plastic flow
(return mapping in one dimension: Simo and Hughes, Computational Inelasticity, 1998, section 1.2). A bundle strains
together: one fibre held is the fixed bar, two are the two-bar assembly, many are a plate through its thickness, whose
integration points they are. Boley and Weiner, Theory of Thermal Stresses, chapter 16.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.values.operations import FloatArray

NEWTON_LIMIT = 100  # [-] turns of Newton's method at most
BALANCE = 1e-12  # [-] residual of the forces over yield stress times area


@dataclass(frozen=True)
class BarHistory:
    """Stress [Pa] and plastic strain of a fixed bar after each change of temperature, shape (n,) each."""

    stress: FloatArray
    plastic_strain: FloatArray


def cycle_bar(
    changes: Sequence[float], *, young_modulus: float, thermal_expansion: float, yield_stress: float
) -> BarHistory:
    """Apply changes of temperature from the stress-free state [K], in order, to a bar fixed at both ends."""
    stress, plastic = np.empty(len(changes)), np.empty(len(changes))
    strain = 0.0
    for index, change in enumerate(changes):
        trial = -young_modulus * (thermal_expansion * change + strain)
        stress[index] = min(max(trial, -yield_stress), yield_stress)
        strain += (trial - stress[index]) / young_modulus
        plastic[index] = strain
    return BarHistory(stress, plastic)


def compute_plastic_range(
    changes: Sequence[float], *, young_modulus: float, thermal_expansion: float, yield_stress: float
) -> float:
    """Largest minus smallest plastic strain of the settled cycle: max(0, alpha D - 2 yield_stress / E)."""
    thermal = abs(thermal_expansion) * (max(changes) - min(changes))
    return max(0.0, thermal - 2.0 * yield_stress / young_modulus)


def compute_shakedown_limit(*, young_modulus: float, thermal_expansion: float, yield_stress: float) -> float:
    """Largest range of temperature under which a fixed bar becomes elastic, 2 yield_stress / (E alpha) [K]."""
    return 2.0 * yield_stress / (young_modulus * abs(thermal_expansion))


@dataclass(frozen=True)
class Fibres:
    """Bundle of fibres with a common strain and, if `coordinates` are given, a common curvature.

    Args:
        areas: Of each fibre, shape (n,) [m2, or m of a plate's thickness].
        young_modulus, yield_stress: One for all or one for each [Pa]. A plate in equal biaxial stress has E / (1 - nu).
        coordinates: Coordinates across the bundle, where its curvature is free [m].
    """

    areas: FloatArray
    young_modulus: ArrayLike
    yield_stress: ArrayLike
    coordinates: FloatArray | None = None

    @property
    def modes(self) -> FloatArray:
        """Strains of each fibre for a unit of strain and of curvature, shape (n, 1 or 2)."""
        ones = np.ones_like(self.areas)
        return ones[:, None] if self.coordinates is None else np.stack([ones, self.coordinates], axis=1)


@dataclass(frozen=True)
class FibreState:
    """A bundle after a step.

    Args:
        strain: Of the bundle where `coordinates` are 0.
        curvature: [1/m]; 0 where bending is held.
        stress: Of each fibre [Pa].
        plastic_strain: Of each fibre.
    """

    strain: float
    curvature: float
    stress: FloatArray
    plastic_strain: FloatArray


def make_rest(fibres: Fibres) -> FibreState:
    """Bundle before any load."""
    zero = np.zeros(fibres.areas.size)
    return FibreState(0.0, 0.0, zero, zero)


def step_held(fibres: Fibres, state: FibreState, thermal_strain: ArrayLike, strain: float = 0.0) -> FibreState:
    """Bring the fibres to thermal strains while the bundle is held at `strain`, without curvature."""
    thermal = np.broadcast_to(np.asarray(thermal_strain, dtype=np.float64), fibres.areas.shape)
    stress, plastic = _map_back(fibres, np.full(thermal.shape, strain) - thermal, state.plastic_strain)
    return FibreState(strain, 0.0, stress, plastic)


def step_free(
    fibres: Fibres, state: FibreState, thermal_strain: ArrayLike, force: float = 0.0, moment: float = 0.0
) -> FibreState:
    """Bring the fibres to thermal strains under a force [N] and, where bending is free, a moment [N m].

    The strain of the bundle minimises a convex energy (incremental plasticity is associated); Newton's method with
    shortened steps finds it.

    Raises:
        SingularError: The load is beyond the strength of the fibres.
        NotConvergedError: Forces do not balance to 1e-12 of the plastic force.
    """
    thermal = np.broadcast_to(np.asarray(thermal_strain, dtype=np.float64), fibres.areas.shape)
    modes, areas = fibres.modes, fibres.areas
    modulus = np.broadcast_to(np.asarray(fibres.young_modulus, dtype=np.float64), areas.shape)
    limit = np.broadcast_to(np.asarray(fibres.yield_stress, dtype=np.float64), areas.shape)
    load = np.array([force, moment])[: modes.shape[1]]
    scale = np.abs(modes).T @ (limit * areas)
    if np.any(np.abs(load) > scale * (1.0 + BALANCE)):
        raise SingularError("the load is beyond the plastic collapse of the section", "lower it")
    elastic = modes.T @ ((modulus * areas)[:, None] * modes)
    unknown = np.array([state.strain, state.curvature])[: modes.shape[1]]
    residual = np.inf
    for _ in range(NEWTON_LIMIT):
        stress, plastic = _map_back(fibres, modes @ unknown - thermal, state.plastic_strain)
        missing = modes.T @ (areas * stress) - load
        residual = float(np.max(np.abs(missing) / scale))
        if residual <= BALANCE:
            curvature = float(unknown[1]) if unknown.size > 1 else 0.0
            return FibreState(float(unknown[0]), curvature, stress, plastic)
        still = np.abs(modulus * (modes @ unknown - thermal - state.plastic_strain)) < limit
        tangent = modes.T @ ((modulus * areas * still)[:, None] * modes) + 1e-9 * elastic  # a yielded section is soft
        unknown = unknown - _shorten(fibres, unknown, np.linalg.solve(tangent, missing), thermal, state, load)
    raise NotConvergedError("balance of the fibres", NEWTON_LIMIT, residual, BALANCE)


def _map_back(fibres: Fibres, strain: FloatArray, plastic: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Stress and plastic strain for the strain that is not thermal: elastic trial, then flow back to yield."""
    trial = np.asarray(fibres.young_modulus) * (strain - plastic)
    stress = np.clip(trial, -np.asarray(fibres.yield_stress), fibres.yield_stress)
    return stress, plastic + (trial - stress) / np.asarray(fibres.young_modulus)


def _shorten(
    fibres: Fibres, unknown: FloatArray, step: FloatArray, thermal: FloatArray, state: FibreState, load: FloatArray
) -> FloatArray:
    """Shorten a Newton step that is too long to the place where no force is left along it.

    That force is the slope of a convex energy, so it falls all along the step, and bisection finds its zero.
    """

    def force_along(share: float) -> float:
        stress, _ = _map_back(fibres, fibres.modes @ (unknown - share * step) - thermal, state.plastic_strain)
        return float(step @ (fibres.modes.T @ (fibres.areas * stress) - load))

    if force_along(1.0) >= -0.1 * force_along(0.0):
        return step
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if force_along(middle) > 0.0 else (low, middle)
    return high * step


def cycle_fibres(
    fibres: Fibres, thermal_strains: Iterable[ArrayLike], *, force: float = 0.0, held_at: float | None = None
) -> list[FibreState]:
    """The states of a bundle after each entry of a history of thermal strains; held, or free under a force [N]."""
    states, state = [], make_rest(fibres)
    for thermal in thermal_strains:
        if held_at is not None:
            state = step_held(fibres, state, thermal, held_at)
        else:
            state = step_free(fibres, state, thermal, force)
        states.append(state)
    return states
