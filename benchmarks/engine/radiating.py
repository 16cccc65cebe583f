r"""P3N's equations, in the rise :math:`\theta = (T - 300)/300`; NumPy alone.

.. math:: \dot\theta = \nabla\cdot(k_0 (1 + \theta) \nabla\theta),\quad
          (1 + \theta)\,\nabla\theta = \nabla\Phi,\quad \Phi = \theta + \theta^2/2

Between cells the conductivity is taken at the mean of both temperatures, so the flux is :math:`G_0 (\Phi_b - \Phi_a)`
with P3's harmonic :math:`G_0` (Kirchhoff): the right-hand side is a constant matrix times :math:`\Phi` plus the faces,
and the Jacobian that matrix times :math:`\operatorname{diag}(1 + \theta)` plus a diagonal. Peers are given both.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.engine.problems import FloatArray, face_conductances, stiff_conductivity

CELLS, TIME, TOLERANCE = 256, 0.1, 1e-3
COLD, HOT = 300.0, 600.0  # K: start and x_max; surroundings of x_min
EMISSIVITY, STEFAN_BOLTZMANN = 0.8, 5.670374419e-8
SURFACE_ITERATIONS = 50


@dataclass(frozen=True)
class Body:
    """Conductances over volume of all faces [1/s]; rho c = 1 J/(m3 K), k_0 = 1 or 1/1000 W/(m K)."""

    gx: FloatArray
    gy: FloatArray

    @property
    def cells(self) -> int:
        return self.gx.shape[1]


def make_body(cells: int = CELLS) -> Body:
    return Body(*face_conductances(stiff_conductivity(cells)))


def _radiated(surface: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Heat into the face over (300 K rho c) [m/s], and its slope by the surface's rise."""
    absolute = COLD * (1.0 + surface)
    strength = EMISSIVITY * STEFAN_BOLTZMANN
    return strength * (HOT**4 - absolute**4) / COLD, -4.0 * strength * absolute**3


def face_heat(body: Body, near: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What radiation adds to the cells at x_min [1/s], and its slope by their rise, each of shape (cells,).

    The surface is where the half cell carries what arrives. The balance is convex and rises with the surface's
    temperature, so Newton from the surroundings comes down to it without overshooting.
    """
    conductance, n = body.gx[0], body.cells
    inner = near + 0.5 * near**2
    surface = np.maximum(near, HOT / COLD - 1.0)
    for _ in range(SURFACE_ITERATIONS):
        heat, slope = _radiated(surface)
        excess = conductance * (surface + 0.5 * surface**2 - inner) - n * heat
        step = excess / (conductance * (1.0 + surface) - n * slope)
        surface = surface - step
        if np.abs(step).max() < 1e-13:
            break
    heat, slope = _radiated(surface)
    follows = conductance * (1.0 + near) / (conductance * (1.0 + surface) - n * slope)
    return n * heat, n * slope * follows


def rate(body: Body, rise: FloatArray) -> FloatArray:
    """The right-hand side with array slices, shape (cells, cells)."""
    potential = rise + 0.5 * rise**2
    out = np.zeros_like(rise)
    flow = body.gx[1:-1] * np.diff(potential, axis=0)
    out[:-1] += flow
    out[1:] -= flow
    flow = body.gy[:, 1:-1] * np.diff(potential, axis=1)
    out[:, :-1] += flow
    out[:, 1:] -= flow
    out[0] += face_heat(body, rise[0])[0]
    out[-1] -= body.gx[-1] * potential[-1]
    return out


def matrix_faces(body: Body) -> tuple[FloatArray, FloatArray]:
    """The conductances that make the constant matrix: x_min, which radiates, has none of its own."""
    gx = body.gx.copy()
    gx[0] = 0.0
    return gx, body.gy
