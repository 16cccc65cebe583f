r"""Certificates of any body on a grid, from one or a few solves with its conduction matrix.

The grid with a node of no capacity on every surface is itself a body in the sense of `grid.engine.lumped.certificates`:
K w = C/tau - hA with C.w = 0 is one singular solve, w_s = w_P - h/g on the surface (g the half cell), and
phi = -(1/H) sum hA w_s. So C1 is a theorem for the equations that the methods solve, whatever the grid.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from grid.engine.lumped.certificates import compute_gap
from grid.engine.lumped.quasi_steady import Conduction, inner_product
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

DENSE_CELLS = 40  # [-] cells up to which the whole matrix is made
EIGEN_TOLERANCE = 1e-7  # [-] relative error of an eigenvalue, added to it so that a bound remains one


@dataclass(frozen=True)
class BodyShape:
    """Properties from which certificates follow, of a body whose surface exchanges heat through given films.

    Args:
        space: The body.
        films: h of the faces of each patch [W/(m2 K)].
        conduction: Of the body.
    """

    space: Space
    films: tuple[FloatArray, ...]
    conduction: Conduction

    @classmethod
    def at(
        cls, space: Space, time: float, temperature: float, conduction: Conduction | None = None
    ) -> "BodyShape | None":
        """Shape with the films at a time and a uniform temperature; None without films, or where one is infinite.

        Args:
            conduction: Of the same space, where it has been made before.
        """
        films = tuple(
            np.broadcast_to(
                np.asarray(space.robin(index, time, np.full(patch.cells.shape, temperature)).film, np.float64),
                patch.cells.shape,
            )
            for index, patch in enumerate(space.patches)
        )
        total = sum(float(film.sum()) for film in films)
        return cls(space, films, conduction or Conduction(space)) if 0.0 < total < np.inf else None

    @property
    def conductance(self) -> float:
        """Conductance H, the integral of h over the surface [W/K]."""
        return sum(float(film.sum()) * patch.area for film, patch in zip(self.films, self.space.patches, strict=True))

    @property
    def time_constant(self) -> float:
        """Time constant tau = C/H [s]."""
        return float(self.space.capacity.sum()) / self.conductance

    @property
    def biot_number(self) -> float:
        """Biot number h V / (A k) [-], with the mean film of the surface that exchanges, and the least conductivity."""
        domain = self.space.problem.domain
        patches = zip(self.films, self.space.patches, strict=True)
        area = sum(float((film > 0.0).sum()) * patch.area for film, patch in patches)
        cells = self.space.capacity > 0.0
        volume = float(cells.sum()) * float(np.prod(domain.spacing))
        least = min(float(np.broadcast_to(k, domain.cells).reshape(-1)[cells].min()) for k in self.space.conductivity)
        return self.conductance / area * volume / area / least

    def surface_heat(self) -> FloatArray:
        """Product hA of the surface of each cell [W/K], flat."""
        out = np.zeros_like(self.space.capacity)
        for film, patch in zip(self.films, self.space.patches, strict=True):
            out[patch.cells] += film * patch.area
        return out

    def surface_sum(self, field: FloatArray, outflow: float) -> float:
        """The surface integral of h v, with -k dv/dn = outflow h, of a field at the cells."""
        total = 0.0
        for film, patch, half in zip(self.films, self.space.patches, self.space.half_conductance, strict=True):
            total += inner_product(film, field[patch.cells] - outflow * film / half) * patch.area
        return total

    def shape_function(self) -> FloatArray:
        """Shape function w at the cells [-], flat."""
        return self.conduction.spread(self.space.capacity / self.time_constant - self.surface_heat())

    def internal_resistance_phi(self) -> float:
        """Internal resistance phi = -(1/H) surface integral of h w [-]."""
        return -self.surface_sum(self.shape_function(), 1.0) / self.conductance

    def slowness(self) -> float:
        r"""Slowness kappa = 1 + 1/(mu tau) of certificate C1 [-].

        1/mu is the largest eigenvalue of the inverse of conduction among fields with a vanishing surface integral of
        h v: K v = C f - lambda hA, lambda = C.f / H, shifted so that the integral vanishes.
        """
        exponent = math.frexp(self.conductance)[1]  # only ratios of films count, which may be next to nothing
        scaled = replace(self, films=tuple(np.ldexp(film, -exponent) for film in self.films))
        heat, total = scaled.surface_heat(), scaled.conductance

        def invert(given: FloatArray) -> FloatArray:
            outflow = float(given.sum()) / total
            field = self.conduction.spread(given - outflow * heat)
            out: FloatArray = field - scaled.surface_sum(field, outflow) / total
            return out

        return 1.0 + largest_eigenvalue(self.space.capacity, invert) / self.time_constant

    def energy_rate(self, time: float, temperature: float) -> float:
        """Rate G of certificate C4 [W K]: the energy r . K^-1 r of the imbalance r of a uniform body.

        r is the heat into cells and surfaces at a uniform temperature, less the share C/sum(C) of its sum.
        """
        space = self.space
        heat = np.zeros_like(space.capacity)
        fluxes = []
        for index, patch in enumerate(space.patches):
            law = space.robin(index, time, np.full(patch.cells.shape, temperature))
            flux = np.broadcast_to(law.film * (law.reference - temperature) + law.imposed, patch.cells.shape)
            fluxes.append(flux)
            heat[patch.cells] += flux * patch.area
        level = np.full(space.shape, temperature)
        source = space.source_heat(time, level)
        inside = np.zeros_like(heat) if source is None else np.where(space.capacity > 0.0, source, 0.0)
        net = heat + inside
        field = self.conduction.spread(net - space.capacity * (net.sum() / space.capacity.sum()))
        energy = inner_product(inside, field)
        for flux, patch, half in zip(fluxes, space.patches, space.half_conductance, strict=True):
            energy += inner_product(flux, field[patch.cells] + flux / half) * patch.area
        return max(energy, 0.0)

    def gap(self) -> float:
        """Certificate C1: the bound of the error of the mean, over the initial excess."""
        return compute_gap(self.slowness())


def insulated_rate(space: Space) -> float:
    """Certificate C5: the slowest decay rate of an insulated body [1/s]."""
    conduction = Conduction(space)
    return 1.0 / largest_eigenvalue(space.capacity, lambda heat: conduction.spread(heat - _share(space, heat)))


def _share(space: Space, heat: FloatArray) -> FloatArray:
    out: FloatArray = space.capacity * (heat.sum() / space.capacity.sum())
    return out


def largest_eigenvalue(capacity: FloatArray, invert: Callable[[FloatArray], FloatArray]) -> float:
    """Largest eigenvalue of field -> invert(C field), which is symmetric in the inner product of C; from above."""
    from scipy.sparse import linalg

    inside = capacity > 0.0
    root = np.sqrt(capacity[inside])

    def apply(x: FloatArray) -> FloatArray:
        given = np.zeros_like(capacity)
        given[inside] = root * np.asarray(x, np.float64).reshape(-1)
        out: FloatArray = root * invert(given)[inside]
        return out

    if root.size <= DENSE_CELLS:
        matrix = np.array([apply(row) for row in np.eye(root.size)])
        return float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[-1]) * (1.0 + EIGEN_TOLERANCE)
    operator = linalg.LinearOperator((root.size, root.size), matvec=apply, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(root.size)  # fixed, so that a run is repeated to the byte
    found = linalg.eigsh(operator, k=1, which="LA", tol=EIGEN_TOLERANCE, v0=start, return_eigenvectors=False)
    return float(found[0]) * (1.0 + EIGEN_TOLERANCE)
