r"""Box elements of linear elasticity: shape functions, stiffness, loads of a free strain, and stresses.

Lagrange elements of order 1 or 2 on equal boxes. Order 1 has Wilson's incompatible modes 1 - xi_i^2 besides (Wilson,
Taylor, Doherty and Ghaboussi 1973; Zienkiewicz and Taylor, The Finite Element Method, vol. 1), condensed in each
element, so bending does not lock; on boxes they pass the patch test as they are.

Strains are engineering ones in the order xx, yy, xy (2D) or xx, yy, zz, xy, yz, xz (3D). Hooke's law with the free
normal strain e, equal in all directions (Timoshenko and Goodier, article 153):

.. math:: \sigma = \lambda \operatorname{tr}(\varepsilon) I + 2\mu\varepsilon - \beta e I

with beta = 3 lambda + 2 mu in 3D and plane strain; in plane stress lambda is 2 lambda mu / (lambda + 2 mu) and
beta = 2 lambda + 2 mu = E / (1 - nu). Everything here is for E = 1 and scales with E.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from grid.engine.values.operations import FloatArray

# [-] axes of each component of strain, by dimension
PAIRS = {2: ((0, 0), (1, 1), (0, 1)), 3: ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))}


def gauss_points(count: int, dimension: int) -> tuple[FloatArray, FloatArray]:
    """Points of [-1, 1]^d, shape (count^d, d), and their weights, which sum to 1 here."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return _tensor_points(nodes, 0.5 * weights, dimension)


def middle_points(count: int, dimension: int) -> tuple[FloatArray, FloatArray]:
    """Middles of count^d equal parts of [-1, 1]^d, with equal weights that sum to 1."""
    nodes = (2.0 * np.arange(count) + 1.0) / count - 1.0
    return _tensor_points(nodes, np.full(count, 1.0 / count), dimension)


def corner_points(dimension: int) -> FloatArray:
    """Corners of [-1, 1]^d, shape (2^d, d)."""
    return np.array(list(product((-1.0, 1.0), repeat=dimension)))


def _tensor_points(nodes: FloatArray, weights: FloatArray, dimension: int) -> tuple[FloatArray, FloatArray]:
    points = np.array(list(product(nodes, repeat=dimension)))
    return points, np.array([np.prod(part) for part in product(weights, repeat=dimension)])


@dataclass(frozen=True)
class Element:
    """A box element.

    Args:
        order: 1 (with incompatible modes) or 2.
        spacing: Sizes along each axis [m].
        is_plane_stress: In 2D, plane stress in place of plane strain.
    """

    order: int
    spacing: tuple[float, ...]
    is_plane_stress: bool = False

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.spacing)

    @property
    def volume(self) -> float:
        """Volume of the element [m^d]."""
        return float(np.prod(self.spacing))

    @property
    def nodal_freedoms(self) -> int:
        """Number of freedoms at the nodes."""
        return int((self.order + 1) ** self.dimension * self.dimension)

    def gradients(self, points: FloatArray) -> FloatArray:
        """Gradients of all shape functions, then of the incompatible modes, shape (points, axes, functions) [1/m]."""
        values, slopes = zip(*(self._along(points[:, axis]) for axis in range(self.dimension)), strict=True)
        parts = []
        for axis in range(self.dimension):
            factors = [slopes[a] * 2.0 / self.spacing[a] if a == axis else values[a] for a in range(self.dimension)]
            grown = factors[0]
            for factor in factors[1:]:
                grown = (grown[:, :, None] * factor[:, None, :]).reshape(points.shape[0], -1)
            parts.append(grown)
        compatible = np.stack(parts, axis=1)
        if self.order == 2:
            return compatible
        modes = np.zeros((points.shape[0], self.dimension, self.dimension))
        for axis in range(self.dimension):
            modes[:, axis, axis] = -2.0 * points[:, axis] * 2.0 / self.spacing[axis]
        return np.concatenate([compatible, modes], axis=2)

    def _along(self, xi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lagrange polynomials along one axis and their slopes, shape (points, order + 1)."""
        if self.order == 1:
            return np.stack([0.5 - 0.5 * xi, 0.5 + 0.5 * xi], 1), np.stack([0.0 * xi - 0.5, 0.0 * xi + 0.5], 1)
        values = np.stack([0.5 * xi * (xi - 1.0), 1.0 - xi**2, 0.5 * xi * (xi + 1.0)], 1)
        return values, np.stack([xi - 0.5, -2.0 * xi, xi + 0.5], 1)

    def strains(self, points: FloatArray) -> FloatArray:
        """Strain of each freedom, shape (points, components, freedoms); freedoms run over axes within functions."""
        gradients, d = self.gradients(points), self.dimension
        out = np.zeros((points.shape[0], len(PAIRS[d]), gradients.shape[2], d))
        for row, (a, b) in enumerate(PAIRS[d]):
            out[:, row, :, a] += gradients[:, b]
            if a != b:
                out[:, row, :, b] += gradients[:, a]
        return out.reshape(points.shape[0], len(PAIRS[d]), -1)

    def elasticity(self, poisson_ratio: float) -> tuple[FloatArray, float]:
        """Hooke's matrix and beta for E = 1."""
        nu, d = poisson_ratio, self.dimension
        shear = 0.5 / (1.0 + nu)
        first = nu / ((1.0 + nu) * (1.0 - 2.0 * nu))
        beta = 1.0 / (1.0 - 2.0 * nu)
        if self.is_plane_stress:
            first, beta = nu / (1.0 - nu**2), 1.0 / (1.0 - nu)
        matrix = np.diag([2.0 * shear if a == b else shear for a, b in PAIRS[d]])
        matrix[:d, :d] += first
        return matrix, beta

    @cached_property
    def _rule(self) -> tuple[FloatArray, FloatArray]:
        return gauss_points(3 if self.order == 2 else 2, self.dimension)

    def stiffness(self, poisson_ratio: float) -> "Stiffness":
        """Condensed stiffness for E = 1."""
        points, weights = self._rule
        strains, (hooke, beta) = self.strains(points), self.elasticity(poisson_ratio)
        full = np.einsum("q,qci,cd,qdj->ij", weights * self.volume, strains, hooke, strains, optimize=True)
        n = self.nodal_freedoms
        if full.shape[0] == n:
            return Stiffness(self, hooke, beta, full, np.zeros((0, n)), np.zeros((0, 0)))
        inverse = np.linalg.inv(full[n:, n:])
        share = inverse @ full[n:, :n]
        return Stiffness(self, hooke, beta, full[:n, :n] - full[:n, n:] @ share, share, inverse)


@dataclass(frozen=True)
class Stiffness:
    """An element of one Poisson's ratio, for E = 1.

    Args:
        element: Its shape.
        hooke, beta: Hooke's law.
        matrix: Stiffness of the nodal freedoms, incompatible modes condensed.
        share, inverse: The modes follow the nodes u and a load f by -share u + inverse f.
    """

    element: Element
    hooke: FloatArray
    beta: float
    matrix: FloatArray
    share: FloatArray
    inverse: FloatArray

    def load(self, points: FloatArray, weights: FloatArray, free_strain: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Nodal forces of a free strain known at points of each element, and its loads on the modes.

        Args:
            points, weights: Quadrature, weights summing to 1.
            free_strain: Shape (elements, points).

        Returns:
            Shapes (elements, nodal freedoms) and (elements, modes).
        """
        d = self.element.dimension
        opening = self.element.strains(points)[:, :d].sum(axis=1)  # divergence of each freedom
        forces = self.beta * self.element.volume * (free_strain * weights) @ opening
        n = self.element.nodal_freedoms
        return forces[:, :n] - forces[:, n:] @ self.share, forces[:, n:] @ self.inverse.T

    def stress(
        self, points: FloatArray, displacement: FloatArray, modes: FloatArray, free_strain: FloatArray
    ) -> FloatArray:
        """Stress at points of each element, shape (components, elements, points).

        Args:
            displacement: Shape (elements, nodal freedoms) [m].
            modes: What the load does to the modes, from `load`.
            free_strain: Shape (elements, points).
        """
        freedoms = np.concatenate([displacement, modes - displacement @ self.share.T], axis=1)
        strains = np.einsum("qcf,ef->ceq", self.element.strains(points), freedoms, optimize=True)
        out: FloatArray = np.einsum("dc,ceq->deq", self.hooke, strains, optimize=True)
        out[: self.element.dimension] -= self.beta * free_strain
        return out
