"""What is measured: initial data, coefficients and exact answers. NumPy alone, so that every peer can load it.

P1   explicit, 2D, 1024 x 1024 points, 200 steps at mesh Fourier 0.2, edge points held at 0 (fits the last cache)
P1L  the same on 4096 x 4096 points, 50 steps (does not fit)
P2   explicit, 3D, 256 points a side, 50 steps at 0.15
P3   stiff and heterogeneous, 2D, 512 x 512 cells, 60 round inclusions of 1/1000 of the conductivity, one side held at
     1, the other at 0, t = 0.1 L^2/k, relative L2 error 1e-3
P3N  nonlinear, on P3's body at 256 x 256: conductivity doubles from 300 to 600 K, one side radiates to surroundings of
     600 K, the other is held at 300 K, t = 0.1 s, 1e-3 of the rise. 256 cells a side keep SciPy's BDF below a minute
P4   homogeneous, 2D, 1024 x 1024 cells, x faces held at 0, y faces insulated, a jump in the start, t = 0.02, 1e-4
P5   rods of 101 points, 200 explicit steps: one alone, and 1,000 with different values

Points include the edges (P1, P2, P5 of the peers); cells have their faces on the edges (P3, P4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Explicit:
    """An explicit run on points with the edges held at zero."""

    shape: tuple[int, ...]
    steps: int
    mesh_fourier: float

    @property
    def updates(self) -> int:
        return int(np.prod(self.shape)) * self.steps


EXPLICIT = {
    "P1": Explicit((1024, 1024), 200, 0.2),
    "P1L": Explicit((4096, 4096), 50, 0.2),
    "P2": Explicit((256, 256, 256), 50, 0.15),
}
MODES = ((1, 1.0), (37, 0.5))  # half waves along each axis and amplitude; the short one shows errors in the stencil


def _lines(shape: tuple[int, ...], waves: int) -> list[FloatArray]:
    lines = [np.sin(waves * np.pi * np.arange(count) / (count - 1)) for count in shape]
    for line in lines:
        line[0] = line[-1] = 0.0
    return lines


def _layers(case: Explicit) -> Iterator[tuple[int, list[FloatArray]]]:
    """Each layer of the first axis in turn, as its modes with their amplitudes: no field-sized temporary is made."""
    modes = []
    for waves, amplitude in MODES:
        first, *others = _lines(case.shape, waves)
        layer = np.multiply.outer(*others) if len(others) == 2 else others[0]
        modes.append((amplitude * first, layer))
    for index in range(case.shape[0]):
        yield index, [first[index] * layer for first, layer in modes]


def explicit_start(case: Explicit, dtype: Any = np.float64) -> NDArray[Any]:
    """Two eigenvectors of the scheme added, shape `case.shape`."""
    field = np.zeros(case.shape, dtype)
    for index, (long, short) in _layers(case):
        field[index] = long + short
    return field


def explicit_error(case: Explicit, field: Any) -> float:
    """Largest error against the scheme's own exact answer, in which each eigenvector has shrunk by its factor."""
    factors = []
    for waves, _ in MODES:
        loss = sum(2.0 - 2.0 * np.cos(waves * np.pi / (count - 1)) for count in case.shape)
        factors.append((1.0 - case.mesh_fourier * loss) ** case.steps)
    worst = 0.0
    for index, parts in _layers(case):
        exact = sum(factor * part for factor, part in zip(factors, parts, strict=True))
        worst = max(worst, float(np.abs(np.asarray(field[index], np.float64) - exact).max()))
    return worst


STIFF_CELLS, STIFF_TIME, STIFF_TOLERANCE = 512, 0.1, 1e-3
HELD = (1.0, 0.0)  # temperatures of x_min and x_max in P3


def stiff_conductivity(cells: int = STIFF_CELLS, dimension: int = 2) -> FloatArray:
    """1, and 1/1000 in 60 round inclusions, at the centres of `cells` cells a side of the unit square or cube."""
    random = np.random.default_rng(12345)
    centres = random.random((2, 60))
    radii = 0.02 + 0.05 * random.random(60)
    if dimension == 3:
        centres = np.vstack([centres, random.random(60)])
        radii = radii + 0.05
    line = (np.arange(cells) + 0.5) / cells
    axes = np.meshgrid(*[line] * dimension, indexing="ij", sparse=True)
    out = np.ones((cells,) * dimension)
    for *centre, radius in zip(*centres, radii, strict=True):
        distance = sum(((place - middle) ** 2 for place, middle in zip(axes, centre, strict=True)), np.zeros(()))
        out[distance < radius**2] = 1e-3
    return out


def face_conductances(conductivity: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Conductances over the volume of a cell [1/s] on all faces normal to x and y of the unit square, rho c = 1.

    Harmonic inside; half a cell to the x faces; zero on the y faces, which are insulated.
    """
    n = conductivity.shape[0]
    gx, gy = np.zeros((n + 1, n)), np.zeros((n, n + 1))
    gx[1:-1] = 2.0 * n * n / (1.0 / conductivity[1:] + 1.0 / conductivity[:-1])
    gx[0], gx[-1] = 2.0 * n * n * conductivity[0], 2.0 * n * n * conductivity[-1]
    gy[:, 1:-1] = 2.0 * n * n / (1.0 / conductivity[:, 1:] + 1.0 / conductivity[:, :-1])
    return gx, gy


def triplets(gx: FloatArray, gy: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Rows, columns and values of A in dT/dt = A T + b, from the conductances of the faces."""
    n = gx.shape[1]
    index = np.arange(n * n).reshape(n, n)
    diagonal = -(gx[1:] + gx[:-1] + gy[:, 1:] + gy[:, :-1])
    pairs = ((index[:-1], index[1:], gx[1:-1]), (index[:, :-1], index[:, 1:], gy[:, 1:-1]))
    rows = [index.ravel()] + [part.ravel() for low, high, _ in pairs for part in (low, high)]
    columns = [index.ravel()] + [part.ravel() for low, high, _ in pairs for part in (high, low)]
    values = [diagonal.ravel()] + [value.ravel() for _, _, value in pairs for _ in (0, 1)]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def stiff_right_side(gx: FloatArray) -> FloatArray:
    """b of P3, flat."""
    out = np.zeros((gx.shape[1], gx.shape[1]))
    out[0] += gx[0] * HELD[0]
    out[-1] += gx[-1] * HELD[1]
    return out.ravel()


def relative_error(field: Any, reference: FloatArray) -> float:
    """L2 norm of the difference over that of the reference."""
    difference = np.asarray(field, np.float64).ravel() - reference.ravel()
    return float(np.linalg.norm(difference) / np.linalg.norm(reference))


BOX_CELLS, BOX_TIME, BOX_TOLERANCE = 1024, 0.02, 1e-4


def box_start(cells: int = BOX_CELLS) -> FloatArray:
    """P4's start: a narrow bell, and a block with sharp edges."""
    line = (np.arange(cells) + 0.5) / cells
    x, y = np.meshgrid(line, line, indexing="ij", sparse=True)
    bell: FloatArray = np.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / 0.005)
    bell[(np.abs(x - 0.65) < 0.1) & (np.abs(y - 0.3) < 0.15)] += 1.0
    return bell


def box_rates(cells: int = BOX_CELLS) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues along x (held: DST-II) and y (insulated: DCT-II) of the cells' operator on the unit square [1/s]."""
    count = np.arange(cells)
    held = (2.0 * np.cos(np.pi * (count + 1) / cells) - 2.0) * cells**2
    insulated = (2.0 * np.cos(np.pi * count / cells) - 2.0) * cells**2
    return held, insulated


ROD_POINTS, ROD_STEPS, RODS = 101, 200, 1000


@dataclass(frozen=True)
class Rods:
    """P5's values, each of shape (rods,)."""

    mesh_fourier: FloatArray  # of one step, 0.03 to 0.13: within what the engine takes for a step
    left: FloatArray
    right: FloatArray
    amplitude: FloatArray  # of the half sine at t = 0


def make_rods(count: int = RODS) -> Rods:
    random = np.random.default_rng(7)
    fourier, left, right, amplitude = random.random((4, count))
    return Rods(0.03 + 0.1 * fourier, 100.0 * left, 100.0 * right, 50.0 * amplitude)


def rod_start(rods: Rods) -> FloatArray:
    """Fields at t = 0 on points, shape (rods, 101)."""
    field = rods.amplitude[:, None] * np.sin(np.pi * np.linspace(0.0, 1.0, ROD_POINTS))
    field[:, 0], field[:, -1] = rods.left, rods.right
    return field


def rod_end(rods: Rods) -> FloatArray:
    """Fields after 200 steps, with NumPy, shape (rods, 101)."""
    field = rod_start(rods)
    for _ in range(ROD_STEPS):
        field[:, 1:-1] += rods.mesh_fourier[:, None] * (field[:, 2:] - 2.0 * field[:, 1:-1] + field[:, :-2])
    return field
