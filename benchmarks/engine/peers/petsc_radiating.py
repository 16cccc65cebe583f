"""P3N with PETSc's linearly implicit Rosenbrock stepper, one process: on its own LU, on MUMPS, and on multigrid.

The loosest tolerance that meets the error counts for each; the fastest is the peer. Tried and slower by far: ARKIMEX l2
(10 s) and BDF, which did not meet the error on this ladder.
"""

import time
from typing import Any

import numpy as np
from petsc4py import PETSc

from benchmarks.engine import radiating
from benchmarks.engine.measuring import REPEATS, report
from benchmarks.engine.problems import FloatArray, relative_error, triplets
from benchmarks.engine.references import load_reference

STEPPERS = (("rosw", "ra34pw2", "lu"), ("rosw", "ra34pw2", "mumps"), ("rosw", "ra34pw2", "mg"))
LADDER = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
LEVELS = 6


class Rates:
    """F(t, u, u') = u' - rate(u) and its Jacobian, in compressed rows whose pattern never changes."""

    def __init__(self) -> None:
        self.body = radiating.make_body()
        n = self.size = self.body.cells
        rows, columns, values = triplets(*radiating.matrix_faces(self.body))
        order = np.lexsort((columns, rows))
        self.columns, self.values = columns[order].astype(np.int32), values[order]
        counts = np.bincount(rows, minlength=n * n)
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self.diagonal = np.flatnonzero(rows[order] == columns[order])
        self.matrix = self.make_matrix(self.values)
        self.work = self.matrix.createVecRight()
        self.flow = self.matrix.createVecRight()

    def make_matrix(self, values: FloatArray) -> Any:
        matrix = PETSc.Mat().createAIJ((self.size**2,) * 2, csr=(self.starts, self.columns, values))
        matrix.assemble()
        return matrix

    def residual(self, _ts: Any, _time: float, state: Any, change: Any, out: Any) -> None:
        rise = state.getArray(readonly=True)
        self.work.getArray()[:] = rise + 0.5 * rise**2
        self.matrix.mult(self.work, self.flow)
        flow = self.flow.getArray()
        flow[: self.size] += radiating.face_heat(self.body, rise[: self.size])[0]
        out.getArray()[:] = change.getArray(readonly=True) - flow

    def jacobian(self, _ts: Any, _time: float, state: Any, _change: Any, shift: float, matrix: Any, _pre: Any) -> None:
        rise = state.getArray(readonly=True)
        values = -self.values * (1.0 + rise)[self.columns]
        values[self.diagonal] += shift
        values[self.diagonal[: self.size]] -= radiating.face_heat(self.body, rise[: self.size])[1]
        matrix.setValuesCSR(self.starts, self.columns, values)
        matrix.assemble()


def solve(rates: Rates, stepper: tuple[str, str, str], tolerance: float) -> tuple[FloatArray, float, int]:
    kind, variant, inner = stepper
    options = PETSc.Options()
    begin = time.perf_counter()
    n = rates.size
    ts = PETSc.TS().create()
    if inner == "mg":
        mesh = PETSc.DMDA().create([n, n], stencil_type=PETSc.DMDA.StencilType.STAR, stencil_width=1, dof=1)
        mesh.setInterpolationType(PETSc.DMDA.InterpolationType.Q0)
        ts.setDM(mesh)
        options["pc_mg_galerkin"], options["mg_levels_pc_type"], options["mg_levels_ksp_max_it"] = "both", "sor", 2
    ts.setType(kind)
    if variant:
        options[f"ts_{kind}_type"] = variant
    state, jacobian = rates.matrix.createVecRight(), rates.make_matrix(rates.values)
    ts.setIFunction(rates.residual, state.duplicate())
    ts.setIJacobian(rates.jacobian, jacobian, jacobian)
    ts.setTime(0.0)
    ts.setMaxTime(radiating.TIME)
    ts.setExactFinalTime(PETSc.TS.ExactFinalTime.MATCHSTEP)
    ts.setTimeStep(1e-4 * radiating.TIME)
    ts.setMaxSteps(100_000)
    ts.setTolerances(rtol=tolerance, atol=tolerance)
    ksp = ts.getSNES().getKSP()
    ksp.setType("gmres" if inner == "mg" else "preonly")
    ksp.setTolerances(rtol=1e-4)
    ksp.getPC().setType("mg" if inner == "mg" else "lu")
    if inner == "mg":
        ksp.getPC().setMGLevels(LEVELS)
    elif inner == "mumps":
        ksp.getPC().setFactorSolverType("mumps")
    else:
        ksp.getPC().setFactorOrdering("nd")
    ts.setFromOptions()
    ts.solve(state)
    return state.getArray().copy(), time.perf_counter() - begin, int(ts.getStepNumber())


def main() -> None:
    rates, reference = Rates(), load_reference("P3N")
    version = ".".join(str(part) for part in PETSc.Sys.getVersion())
    for stepper in STEPPERS:
        for tolerance in LADDER:
            try:
                field, first, steps = solve(rates, stepper, tolerance)
            except PETSc.Error as error:
                print(f"{stepper} at {tolerance}: {error}")
                break
            found = relative_error(field, reference)
            if found <= radiating.TOLERANCE:
                seconds = [solve(rates, stepper, tolerance)[1] for _ in range(REPEATS)]
                report(f"PETSc TS {stepper[0]}, {stepper[2]}", "P3N", seconds, error=found, first=first,
                       version=version, settings=f"{' '.join(stepper)}, rtol {tolerance:g}, {steps} steps")  # fmt: skip
                break


main()
