"""Strength of a ductile material under a stress tensor: equivalent stresses, margins to yield, time of first yield.

A stress has its six components first, in the order of `COMPONENTS`, and then any shape of places and times:
shape (6, ...), in Pa, positive in tension. Equations: docs/theory/structure.md.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from grid.engine.values.operations import FloatArray

COMPONENTS = ("xx", "yy", "zz", "xy", "yz", "xz")


def compute_von_mises(stress: ArrayLike) -> FloatArray:
    r"""Equivalent stress of von Mises [Pa], shape of one component.

    .. math:: \sqrt{\tfrac12[(s_{xx}-s_{yy})^2+(s_{yy}-s_{zz})^2+(s_{zz}-s_{xx})^2]+3(s_{xy}^2+s_{yz}^2+s_{xz}^2)}

    Differences of normal stresses, so a pressure added to all three changes nothing.
    """
    xx, yy, zz, xy, yz, xz = _components(stress)
    normal = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2)
    out: FloatArray = np.sqrt(normal + 3.0 * (xy**2 + yz**2 + xz**2))
    return out


def compute_principal(stress: ArrayLike) -> FloatArray:
    """Principal stresses, largest first [Pa], shape (3, ...): eigenvalues of the symmetric tensor."""
    xx, yy, zz, xy, yz, xz = _components(stress)
    tensor = np.stack([np.stack([xx, xy, xz], -1), np.stack([xy, yy, yz], -1), np.stack([xz, yz, zz], -1)], -1)
    out: FloatArray = np.moveaxis(np.linalg.eigvalsh(tensor), -1, 0)[::-1]
    return out


def compute_tresca(stress: ArrayLike) -> FloatArray:
    """Largest minus smallest principal stress [Pa], twice the largest shear stress."""
    principal = compute_principal(stress)
    out: FloatArray = principal[0] - principal[2]
    return out


def compute_safety_factor(equivalent: ArrayLike, yield_stress: ArrayLike) -> FloatArray:
    """`yield_stress` over the equivalent stress; infinite where there is no stress."""
    equivalent = np.asarray(equivalent, dtype=np.float64)
    with np.errstate(divide="ignore"):
        out: FloatArray = np.where(equivalent > 0.0, np.divide(yield_stress, np.maximum(equivalent, 0.0)), np.inf)
    return out


def compute_first_yield(times: Sequence[float], equivalent: ArrayLike, yield_stress: ArrayLike) -> FloatArray:
    """Time at which each place first yields [s], infinite where it never does; shape of one snapshot.

    Args:
        times: Increasing times of the snapshots [s], shape (n,).
        equivalent: Equivalent stress at those times, shape (n, ...) [Pa]; linear between them.
        yield_stress: A number, or the shape of one snapshot [Pa].
    """
    moments = np.asarray(times, dtype=np.float64)
    history = np.asarray(equivalent, dtype=np.float64)
    limit = np.broadcast_to(np.asarray(yield_stress, dtype=np.float64), history.shape[1:])
    first = np.full(limit.shape, np.inf)
    first[history[0] >= limit] = moments[0]
    for k in range(1, moments.size):
        below, above = history[k - 1], history[k]
        reached = (above >= limit) & ~np.isfinite(first)
        rise = np.where(reached, above - below, 1.0)
        at = moments[k - 1] + (moments[k] - moments[k - 1]) * (limit - below) / rise
        first = np.where(reached, at, first)
    return first


def _components(stress: ArrayLike) -> FloatArray:
    array: FloatArray = np.asarray(stress, dtype=np.float64)
    if array.shape[:1] != (6,):
        message = f"a stress has six components first, {', '.join(COMPONENTS)}"
        raise ValueError(message)
    return array
