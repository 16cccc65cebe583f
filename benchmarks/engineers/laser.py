r"""E5: a laser that moves along a track on a plate, two- and three-dimensional.

.. math:: q = q_0 \exp\left(-\frac{(x - x_0 - v t)^2 + (y - y_0)^2}{2 s^2}\right) \exp\left(-\frac{h - z}{d}\right)

Steel under a film on every edge (in 3D on every face), no radiation. The spot is about eight cells wide and passes a
cell in 1/40 s, so the time error is that of a load which never stops changing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.engineers import finite_volumes as fv
from benchmarks.engineers import stepping
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.solvers import MakeSolver, factor_symmetric, jacobi, multigrid
from benchmarks.engineers.stepping import Answer, System

CONDUCTIVITY, CAPACITY = 30.0, 4.0e6  # W/(m K), J/(m3 K)
AMBIENT, FILM = 20.0, 50.0  # degC, W/(m2 K)
TOLERANCE = 1e-3  # of the rise


@dataclass(frozen=True)
class Plate:
    """A plate and its track.

    Args:
        size: [m].
        cells: Along each axis.
        speed: Along x [m/s].
        start: Where the spot begins, x and y [m].
        spread: s [m].
        depth: d [m]; 0 in two dimensions.
        density: q_0 [W/m3].
        times: Asked for [s].
    """

    size: tuple[float, ...]
    cells: tuple[int, ...]
    speed: float
    start: tuple[float, float]
    spread: float
    depth: float
    density: float
    times: tuple[float, ...]


FLAT = Plate((0.1, 0.05), (200, 100), 0.02, (0.01, 0.025), 1e-3, 0.0, 4.0e10, tuple(0.5 * n for n in range(1, 9)))
SOLID = Plate(
    (0.05, 0.025, 0.005), (100, 50, 10), 0.02, (0.005, 0.0125), 1e-3, 1e-3, 6.0e10, tuple(0.25 * n for n in range(1, 9))
)


def case(plate: Plate = FLAT) -> dict[str, Any]:
    """The problem in the case format."""
    (x0, y0), spread = plate.start, 2.0 * plate.spread**2
    text = f"{plate.density:g}*exp(-((x - {x0:g} - {plate.speed:g}*t)**2 + (y - {y0:g})**2)/{spread:g}"
    if plate.depth:
        text += f" - ({plate.size[2]:g} - z)/{plate.depth:g}"
    air = {"type": "convection", "coefficient": FILM, "ambient": AMBIENT}
    return {
        "dimension": len(plate.size),
        "steady": False,
        "temperature_unit": "degC",
        "domain": {"coordinates": "cartesian", "size": list(plate.size)},
        "material": {"conductivity": CONDUCTIVITY, "volumetric_heat_capacity": CAPACITY},
        "initial": AMBIENT,
        "source_term": {"expression": text + ")"},
        "boundaries": {f"{axis}_{end}": dict(air) for axis in "xyz"[: len(plate.size)] for end in ("min", "max")},
        "resolution": {"cells": list(plate.cells), "end_time": plate.times[-1]},
    }


def coarsen(plate: Plate, times: int) -> Plate:
    """The same plate in cells that many times as large along each axis, for quick checks."""
    return replace(plate, cells=tuple(count // times for count in plate.cells))


def make_heat(plate: Plate) -> Callable[[float], FloatArray]:
    """Heat into each cell [W] at a time, from factors along the axes: one exponential a cell of a line."""
    volume = math.prod(plate.size) / math.prod(plate.cells)
    x, y, *z = [
        (np.arange(count) + 0.5) * length / count for length, count in zip(plate.size, plate.cells, strict=True)
    ]
    across = plate.density * volume * np.exp(-((y - plate.start[1]) ** 2) / (2.0 * plate.spread**2))
    if z:
        across = np.multiply.outer(across, np.exp(-(plate.size[2] - z[0]) / plate.depth)).ravel()

    def heat(time: float) -> FloatArray:
        along = np.exp(-((x - plate.start[0] - plate.speed * time) ** 2) / (2.0 * plate.spread**2))
        return np.multiply.outer(along, across).ravel()

    return heat


def make_system(plate: Plate) -> System:
    """The equations of the rise above ambient."""
    body = fv.make_body(np.ones(plate.cells, bool), plate.size)
    k = np.full(body.count, CONDUCTIVITY)
    outward = sum((fv.gather(faces, fv.film(faces, k, FILM), body.count) for faces in body.faces.values()), np.zeros(1))
    conduction = fv.matrix(body, fv.conductances(body, k), outward)
    return System(np.full(body.count, CAPACITY * body.volume), conduction, make_heat(plate), np.zeros(body.count), ())


def peer_implicit(
    plate: Plate, step: float, scheme: str = "crank_nicolson", make: MakeSolver = factor_symmetric
) -> Answer:
    """By hand: equal steps with one sparse LU, or conjugate gradients."""
    answer = stepping.march(make_system(plate), plate.times, step, make, getattr(stepping, scheme))
    return Answer(answer.fields + AMBIENT, answer.steps)


def peer_gradients(plate: Plate, step: float, tolerance: float, kind: str = "diagonal") -> Answer:
    """By hand: Crank-Nicolson with conjugate gradients, by the diagonal or by PyAMG."""
    make = jacobi(tolerance) if kind == "diagonal" else multigrid(tolerance, kind)
    return peer_implicit(plate, step, "crank_nicolson", make)


def peer_explicit(plate: Plate, share: float = 0.95, scheme: str = "midpoint") -> Answer:
    """By hand: explicit steps of this share of the stable one, the operator as one sparse matrix.

    Args:
        share: Of the largest stable step.
        scheme: `midpoint`, of second order, two products with the matrix a step; `euler`, with the load averaged
            over the step, of first order.
    """
    system = make_system(plate)
    scaled = sparse.csr_matrix(sparse.diags(-1.0 / system.capacity) @ system.conduction)
    stable = 2.0 / float(np.abs(scaled).sum(axis=1).max())
    temperature, fields, steps = system.start, np.empty((len(plate.times), len(system.start))), 0
    inverse = 1.0 / system.capacity[0]
    for index, interval in enumerate(stepping.make_intervals((), plate.times, share * stable)):
        for number in range(interval.count):
            temperature = _explicit_step(scaled, system, inverse, temperature, interval, number, scheme)
        steps += interval.count
        fields[index] = temperature
    return Answer(fields + AMBIENT, steps)


def _explicit_step(
    scaled: sparse.csr_matrix, system: System, inverse: float, temperature: FloatArray, interval: stepping.Interval,
    number: int, scheme: str,
) -> FloatArray:  # fmt: skip
    step = interval.step
    if scheme == "euler":
        return temperature + step * (scaled @ temperature + inverse * system.load(interval.time(number + 0.5)))
    begin = scaled @ temperature + inverse * system.load(interval.time(number))
    middle = temperature + 0.5 * step * begin
    return temperature + step * (scaled @ middle + inverse * system.load(interval.time(number + 0.5)))


def reference(plate: Plate, step: float) -> FloatArray:
    """At fourth order in time."""
    make = factor_symmetric if len(plate.size) == 2 else jacobi(1e-11)
    answer = stepping.march(make_system(plate), plate.times, step, make, stepping.sdirk4)
    return answer.fields + AMBIENT


def rise(fields: FloatArray) -> float:
    """What errors are a share of [K]."""
    return float(fields.max()) - AMBIENT
