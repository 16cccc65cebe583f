"""P3N with SciPy: solve_ivp's BDF with the analytic sparse Jacobian, at the loosest tolerance that meets the error."""

import time

import numpy as np
import scipy
from scipy import sparse
from scipy.integrate import solve_ivp

from benchmarks.engine import radiating
from benchmarks.engine.measuring import REPEATS, report
from benchmarks.engine.problems import FloatArray, relative_error, triplets
from benchmarks.engine.references import load_reference

LADDER = (1e-2, 3e-3, 1e-3, 3e-4)


def main() -> None:
    body = radiating.make_body()
    n = body.cells
    rows, columns, values = triplets(*radiating.matrix_faces(body))
    matrix = sparse.csc_matrix((values, (rows, columns)), shape=(n * n, n * n))
    reference = load_reference("P3N")

    def rate(_time: float, rise: FloatArray) -> FloatArray:
        out: FloatArray = matrix @ (rise + 0.5 * rise**2)
        out[:n] += radiating.face_heat(body, rise[:n])[0]
        return out

    def slope(_time: float, rise: FloatArray) -> sparse.csc_matrix:
        face = np.zeros(n * n)
        face[:n] = radiating.face_heat(body, rise[:n])[1]
        return (matrix @ sparse.diags(1.0 + rise) + sparse.diags(face)).tocsc()

    for tolerance in LADDER:
        begin = time.perf_counter()
        done = solve_ivp(rate, (0.0, radiating.TIME), np.zeros(n * n), method="BDF", jac=slope, rtol=tolerance,
                         atol=0.1 * tolerance, t_eval=[radiating.TIME])  # fmt: skip
        first = time.perf_counter() - begin
        error = relative_error(done.y[:, -1], reference)
        if done.success and error <= radiating.TOLERANCE:
            seconds = []
            for _ in range(REPEATS):
                begin = time.perf_counter()
                solve_ivp(rate, (0.0, radiating.TIME), np.zeros(n * n), method="BDF", jac=slope, rtol=tolerance,
                          atol=0.1 * tolerance, t_eval=[radiating.TIME])  # fmt: skip
                seconds.append(time.perf_counter() - begin)
            settings = f"rtol {tolerance:g}; {done.nfev} rates, {done.nlu} LU factorisations"
            report("SciPy BDF", "P3N", seconds, error=error, first=first, settings=settings, version=scipy.__version__)
            return
    raise SystemExit("no tolerance of the ladder met the error")


main()
