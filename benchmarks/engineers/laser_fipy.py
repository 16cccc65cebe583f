"""E5 in FiPy: Crank-Nicolson as half of an implicit and half of an explicit diffusion term, conjugate gradients."""

import os
from typing import Any

import numpy as np

from benchmarks.engineers import laser
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.laser import AMBIENT, CAPACITY, CONDUCTIVITY, FILM, Plate
from benchmarks.engineers.stepping import Answer, make_intervals


def _make_mesh(plate: Plate) -> Any:
    import fipy

    names = "xyz"[: len(plate.size)]
    counts = {f"n{name}": count for name, count in zip(names, plate.cells, strict=True)}
    lengths = {f"d{name}": size / counts[f"n{name}"] for name, size in zip(names, plate.size, strict=True)}
    return (fipy.Grid2D if len(names) == 2 else fipy.Grid3D)(**counts, **lengths)


def _film(plate: Plate) -> FloatArray:
    """Heat that leaves each cell through films, for each cubic metre and kelvin [W/(m3 K)], shape of the plate."""
    out = np.zeros(plate.cells)
    for axis, (size, count) in enumerate(zip(plate.size, plate.cells, strict=True)):
        distance = size / count
        for side in (0, -1):
            np.moveaxis(out, axis, 0)[side] += 1.0 / (1.0 / FILM + 0.5 * distance / CONDUCTIVITY) / distance
    return out


def peer(plate: Plate, step: float, tolerance: float = 1e-6, scheme: str = "crank_nicolson") -> Answer:
    """FiPy's own terms and solver; its cells run along x first, ours along z."""
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    from fipy import CellVariable, DiffusionTerm, ExplicitDiffusionTerm, ImplicitSourceTerm, TransientTerm
    from fipy.solvers import LinearCGSolver

    mesh = _make_mesh(plate)
    turn = lambda field: field.reshape(plate.cells).ravel(order="F")  # noqa: E731 from our order to FiPy's
    volume = np.prod(plate.size) / np.prod(plate.cells)
    heat, loss = laser.make_heat(plate), turn(_film(plate))
    rise, source = CellVariable(mesh=mesh, value=0.0, hasOld=True), CellVariable(mesh=mesh, value=0.0)
    share = 0.5 if scheme == "crank_nicolson" else 1.0
    equation = TransientTerm(coeff=CAPACITY) == (
        DiffusionTerm(coeff=share * CONDUCTIVITY)
        + source
        - ImplicitSourceTerm(coeff=CellVariable(mesh, value=share * loss))
    )
    if share < 1.0:
        equation = equation + ExplicitDiffusionTerm(coeff=-(1.0 - share) * CONDUCTIVITY)
    solver = LinearCGSolver(tolerance=tolerance, iterations=500, precon=None)
    fields, steps = np.empty((len(plate.times), np.prod(plate.cells))), 0
    for index, interval in enumerate(make_intervals((), plate.times, step)):
        for number in range(interval.count):
            rise.updateOld()
            loads = [heat(interval.time(number)), heat(interval.time(number + 1))]
            mean = share * loads[1] + (1.0 - share) * loads[0]
            source.setValue(turn(mean) / volume - (1.0 - share) * loss * rise.value)
            equation.solve(var=rise, dt=interval.step, solver=solver)
        steps += interval.count
        fields[index] = rise.value.reshape(plate.cells, order="F").ravel() + AMBIENT
    return Answer(fields, steps)
