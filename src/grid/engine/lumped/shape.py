r"""Certificates of any body on a grid, from one or a few solves with its conduction matrix.

The grid with a node of no capacity on every surface is itself a body in the sense of `grid.engine.lumped.certificates`:
K w = C/tau - hA with C.w = 0 is one singular solve, w_s = w_P - h/g on the surface (g the half cell), and
phi = -(1/H) sum hA w_s. So C1 is a theorem for the equations that the methods solve, whatever the grid.
"""

from dataclasses import dataclass

import numpy as np

from grid.engine.lumped.certificates import compute_gap
from grid.engine.lumped.quasi_steady import spread_heat
from grid.engine.space import Space
from grid.engine.values import FloatArray

DENSE_CELLS = 12
EIGEN_TOLERANCE = 1e-7  # of 1/mu, added to it so that the bound stays one


@dataclass(frozen=True)
class BodyShape:
    """What the certificates need of a body whose surface exchanges heat through given films.

    Args:
        space: The body.
        films: h of the faces of each patch [W/(m2 K)].
    """

    space: Space
    films: tuple[FloatArray, ...]

    @classmethod
    def at(cls, space: Space, time: float, temperature: float) -> "BodyShape | None":
        """With the films at a time and a uniform temperature; None where none is there, or one is endless."""
        films = tuple(
            np.broadcast_to(
                np.asarray(space.robin(index, time, np.full(patch.cells.shape, temperature)).film, np.float64),
                patch.cells.shape,
            )
            for index, patch in enumerate(space.patches)
        )
        total = sum(float(film.sum()) for film in films)
        return cls(space, films) if 0.0 < total < np.inf else None

    @property
    def conductance(self) -> float:
        """H, the integral of h over the surface [W/K]."""
        return sum(float(film.sum()) * patch.area for film, patch in zip(self.films, self.space.patches, strict=True))

    @property
    def time_constant(self) -> float:
        """tau = C/H [s]."""
        return float(self.space.capacity.sum()) / self.conductance

    @property
    def biot_number(self) -> float:
        """h V / (A k) with the mean film of the surface that exchanges, and the least conductivity."""
        domain = self.space.problem.domain
        patches = zip(self.films, self.space.patches, strict=True)
        area = sum(float((film > 0.0).sum()) * patch.area for film, patch in patches)
        cells = self.space.capacity > 0.0
        volume = float(cells.sum()) * float(np.prod(domain.spacing))
        least = min(float(np.broadcast_to(k, domain.cells).reshape(-1)[cells].min()) for k in self.space.conductivity)
        return self.conductance / area * volume / area / least

    def surface_heat(self) -> FloatArray:
        """hA of the surface of each cell [W/K], flat."""
        out = np.zeros_like(self.space.capacity)
        for film, patch in zip(self.films, self.space.patches, strict=True):
            out[patch.cells] += film * patch.area
        return out

    def surface_sum(self, field: FloatArray, outflow: float) -> float:
        """The surface integral of h v, with -k dv/dn = outflow h, of a field at the cells."""
        total = 0.0
        for film, patch, half in zip(self.films, self.space.patches, self.space.half_conductance, strict=True):
            total += float(film @ (field[patch.cells] - outflow * film / half)) * patch.area
        return total

    def shape_function(self) -> FloatArray:
        """w at the cells, flat [1]."""
        return spread_heat(self.space, self.space.capacity / self.time_constant - self.surface_heat())

    def internal_resistance_phi(self) -> float:
        """phi = -(1/H) surface integral of h w."""
        return -self.surface_sum(self.shape_function(), 1.0) / self.conductance

    def slowness(self) -> float:
        r"""kappa = 1 + 1/(mu tau) of certificate C1.

        1/mu is the largest eigenvalue of the inverse of conduction among fields with a vanishing surface integral of
        h v: K v = C f - lambda hA, lambda = C.f / H, shifted so that the integral vanishes.
        """
        from scipy.sparse import linalg

        root = np.sqrt(self.space.capacity)
        heat, total = self.surface_heat(), self.conductance

        def invert(x: FloatArray) -> FloatArray:
            given = root * np.asarray(x, np.float64).reshape(-1)
            outflow = float(given.sum()) / total
            field = spread_heat(self.space, given - outflow * heat)
            out: FloatArray = root * (field - self.surface_sum(field, outflow) / total)
            return out

        count = root.size
        if count <= DENSE_CELLS:
            matrix = np.array([invert(row) for row in np.eye(count)])
            slowest = float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[-1])
        else:
            operator = linalg.LinearOperator((count, count), matvec=invert, dtype=np.float64)
            start = np.random.default_rng(0).standard_normal(count)  # fixed, so that a run is repeated to the byte
            found = linalg.eigsh(operator, k=1, which="LA", tol=EIGEN_TOLERANCE, v0=start, return_eigenvectors=False)
            slowest = float(found[0])
        return 1.0 + slowest * (1.0 + EIGEN_TOLERANCE) / self.time_constant

    def gap(self) -> float:
        """Certificate C1: the bound of the error of the mean, over the initial excess."""
        return compute_gap(self.slowness())
