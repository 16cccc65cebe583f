"""P4 with SciPy's transforms, as one would write it by hand: DST-II along x, DCT-II along y, exact in time."""

import numpy as np
import scipy
from scipy.fft import dct, dst, idct, idst, set_workers

from benchmarks.engine.measuring import REPEATS, THREADS, repeat, report
from benchmarks.engine.problems import BOX_TIME, FloatArray, box_rates, box_start, relative_error
from benchmarks.engine.references import load_reference


def main() -> None:
    start = box_start()

    def run() -> FloatArray:
        held, insulated = box_rates()
        modes = dct(dst(start, 2, axis=0), 2, axis=1)
        modes *= np.exp(BOX_TIME * held)[:, None] * np.exp(BOX_TIME * insulated)
        out: FloatArray = idst(idct(modes, 2, axis=1), 2, axis=0)
        return out

    best = None
    for workers in (1, THREADS):
        with set_workers(workers):
            first, seconds, field = repeat(run, 8 * REPEATS)
        if best is None or sorted(seconds)[len(seconds) // 2] < sorted(best[1])[len(best[1]) // 2]:
            best = first, seconds, field, workers
    assert best is not None
    first, seconds, field, workers = best
    report("SciPy DCT by hand", "P4", seconds, error=relative_error(field, load_reference("P4")), first=first,
           settings=f"{workers} workers", version=scipy.__version__)  # fmt: skip


main()
