"""Answers to which the errors of P3, P3N and P4 are measured: made once by SciPy alone, kept beside the peers.

P3 is the exact solution of its ordinary differential equations (to rounding, by a Chebyshev series), P4 as well (by
transforms). P3N has no exact one: RKL2 with a given number of steps and twice as many, extrapolated; half the
difference of the two tells how far it can be off.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.engine import problems, radiating
from benchmarks.engine.problems import FloatArray

PLACE = Path(os.environ.get("BENCH_REFERENCES", ".bench/references"))
RADIATING_STEPS = 400
DAMPED_SHARE = 1e-13  # of the Chebyshev series, what is left out


def _name(problem: str) -> Path:
    sources = [Path(module.__file__ or "").read_bytes() for module in (problems, radiating)]
    own = Path(__file__).read_bytes()
    return PLACE / f"{problem}-{hashlib.sha256(b''.join([*sources, own])).hexdigest()[:12]}.npy"


def load_reference(problem: str) -> FloatArray:
    """The reference field, made if nobody has made it yet."""
    path = _name(problem)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.npy")
        np.save(temporary, MAKERS[problem]())
        temporary.replace(path)
    out: FloatArray = np.load(path)
    return out


def stiff(cells: int = problems.STIFF_CELLS) -> FloatArray:
    r"""P3: :math:`t\,\varphi_1(tA)\,b` from zero, by Chebyshev polynomials on the interval of A's eigenvalues.

    :math:`\varphi_1(z) = (e^z - 1)/z` is smooth on it, so the coefficients (from a cosine transform of its values) fall
    to rounding after about :math:`\sqrt{\rho t \ln(1/\epsilon)}` terms.
    """
    from scipy import sparse
    from scipy.fft import dct

    gx, gy = problems.face_conductances(problems.stiff_conductivity(cells))
    rows, columns, values = problems.triplets(gx, gy)
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(cells**2,) * 2)
    known = problems.stiff_right_side(gx)
    time = problems.STIFF_TIME
    width = float(np.abs(matrix).sum(axis=1).max())  # Gershgorin: eigenvalues are in [-width, 0]
    count = int(4 * np.sqrt(width * time)) + 64
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    coordinates = time * width / 2 * (nodes - 1.0)
    shape = np.where(
        np.abs(coordinates) > 1e-8,
        np.expm1(coordinates) / np.where(coordinates == 0, 1.0, coordinates),
        1.0 + coordinates / 2,
    )
    series = dct(shape, 2) / count
    series[0] /= 2
    used = int(np.flatnonzero(np.abs(series) > DAMPED_SHARE * np.abs(series).max())[-1]) + 1
    scaled = matrix * (2.0 / width) + sparse.identity(cells**2, format="csr")
    before, now = known, scaled @ known
    total = series[0] * before + series[1] * now
    for coefficient in series[2:used]:
        before, now = now, 2.0 * (scaled @ now) - before
        total += coefficient * now
    return time * total


def box() -> FloatArray:
    """P4: the exact decay of every mode of the cells' operator."""
    from scipy.fft import dct, dst, idct, idst

    held, insulated = problems.box_rates()
    modes = dct(dst(problems.box_start(), 2, axis=0), 2, axis=1)
    modes *= np.exp(problems.BOX_TIME * held)[:, None] * np.exp(problems.BOX_TIME * insulated)
    out: FloatArray = idst(idct(modes, 2, axis=1), 2, axis=0)
    return out


def radiating_end() -> FloatArray:
    """P3N by RKL2 at `RADIATING_STEPS` growing steps and at twice as many, extrapolated for second order."""
    coarse, fine = (_relax(count) for count in (RADIATING_STEPS, 2 * RADIATING_STEPS))
    print(json.dumps({"P3N reference off by at most": problems.relative_error(coarse, fine) / 2}), file=sys.stderr)
    return fine + (fine - coarse) / 3.0


def _relax(count: int) -> FloatArray:
    r"""Steps that grow with the cube of their number, each of s stages, s odd and large enough for its length.

    References:
        C. D. Meyer, D. S. Balsara, T. D. Aslam, J. Comput. Phys. 257 (2014) 594-626, eq. 16-17 and 20-22.
    """
    body = radiating.make_body()
    width = 2.0 * float((body.gx[1:] + body.gx[:-1] + body.gy[:, 1:] + body.gy[:, :-1]).max()) * 2.0  # 1 + rise <= 2
    times = radiating.TIME * (np.arange(count + 1) / count) ** 3
    field = np.zeros((body.cells, body.cells))
    for step in np.diff(times):
        stages = max(3, int(np.ceil((np.sqrt(9.0 + 8.0 * step * width) - 1.0) / 2.0)) | 1)
        field = _super_step(body, field, float(step), stages)
    return field


def _super_step(body: radiating.Body, start: FloatArray, step: float, stages: int) -> FloatArray:
    number = np.arange(stages + 1)
    b = np.full(stages + 1, 1.0 / 3.0)
    b[2:] = (number[2:] ** 2 + number[2:] - 2.0) / (2.0 * number[2:] * (number[2:] + 1.0))
    weight = 4.0 / (stages**2 + stages - 2.0)
    first = step * radiating.rate(body, start)
    before, now = start, start + b[1] * weight * first
    for j in range(2, stages + 1):
        mu, nu = (2 * j - 1) / j * b[j] / b[j - 1], -(j - 1) / j * b[j] / b[j - 2]
        share = mu * weight
        following = mu * now + nu * before + (1.0 - mu - nu) * start
        following += share * step * radiating.rate(body, now) - (1.0 - b[j - 1]) * share * first
        before, now = now, following
    return now


MAKERS: dict[str, Callable[[], FloatArray]] = {"P3": stiff, "P3N": radiating_end, "P4": box}
