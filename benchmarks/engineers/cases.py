"""The rows of the suite: what is asked, by which peers, against which reference, and what the issue of each row is.

    problem, times, tolerance = problem("E1")

Every time error is the largest over output times and cells, as a share of the rise (of the span, where a problem has no
rise) of the reference, which solves the same finite-volume equations far more tightly.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.engine.environments import OWN
from benchmarks.engineers import board, finite_volumes, heat_sink, laser, laser_fipy, solvers, stepping, wall, wax
from benchmarks.engineers.finite_volumes import FloatArray
from benchmarks.engineers.stepping import Answer

if TYPE_CHECKING:
    from grid.engine import HeatProblem

PLACE = Path(os.environ.get("BENCH_REFERENCES", ".bench/references"))


@dataclass(frozen=True)
class Peer:
    """A program by hand.

    Args:
        what: For people, with the settings that the convergence study chose.
        run: Without arguments, at these settings; with keywords for other ones.
        study: Settings to try, each a mapping of keywords; see `--converge`.
        environment: See `benchmarks.engine.environments`.
    """

    what: str
    run: Callable[..., Answer]
    study: Sequence[Mapping[str, Any]] = ()
    environment: str = OWN


@dataclass(frozen=True)
class Row:
    """A problem beside its peers.

    Args:
        title: For people.
        case: Makes the problem in the case format.
        times: Asked for [s]; empty for a steady state.
        tolerance: Stated error, what the peers are converged to and what Grid is asked for.
        rise: What the error is a share of, from the reference [K].
        reference: Makes the fields at the output times, shape (times, cells of the body).
        peers: By name.
        least, aim: How many times as fast as its best peer Grid is to be.
        error: Of fields against the reference; the largest over times and cells as a share of the rise if None.
    """

    title: str
    case: Callable[[], dict[str, Any]]
    times: tuple[float, ...]
    tolerance: float
    rise: Callable[[FloatArray], float]
    reference: Callable[[], FloatArray]
    peers: Mapping[str, Peer] = field(default_factory=dict)
    least: float = 1.0
    aim: float = 1.0
    error: Callable[[FloatArray, FloatArray], float] | None = None


STEPS = (10.0, 5.0, 10.0 / 3.0, 2.5, 2.0, 1.25)
ROWS: dict[str, Row] = {
    "E1": Row(
        "E1 heat sink, constant k, load table, 24 times",
        heat_sink.case, heat_sink.TIMES, heat_sink.TOLERANCE, heat_sink.rise, heat_sink.reference_constant,
        {
            "SciPy": Peer(
                "Crank-Nicolson, steps of 2.5 s, one symmetric LU",
                partial(heat_sink.peer_constant, 2.5, "crank_nicolson"),
                [{"step": step, "scheme": scheme} for scheme in ("crank_nicolson", "tr_bdf2") for step in STEPS],
            ),
            "SciPy TR-BDF2": Peer(
                "TR-BDF2, steps of 2.5 s, one symmetric LU", partial(heat_sink.peer_constant, 2.5)
            ),
        },
        2.0, 10.0,
    ),
    "E2": Row(
        "E2 heat sink, k(T) in both materials",
        partial(heat_sink.case, of_temperature=True), heat_sink.TIMES, heat_sink.TOLERANCE, heat_sink.rise,
        heat_sink.reference_varying,
        {
            "SciPy refreshed LU": Peer(
                "TR-BDF2, steps of 10/3 s at most, a fresh symmetric LU for each",
                partial(heat_sink.peer_refreshed, 10.0 / 3.0),
                [{"step": step} for step in STEPS],
            ),
            "SciPy kept LU": Peer(
                "TR-BDF2, steps of 10/3 s at most, stages corrected by kept factors to 0.1 K",
                partial(heat_sink.peer_kept, 10.0 / 3.0, 0.1),
                [{"step": step, "allowed": allowed} for allowed in (0.1, 0.02) for step in STEPS],
            ),
        },
        5.0, 20.0,
    ),
    "E3": Row(
        "E3 a year of a five-layer wall, hourly weather",
        wall.case, wall.TIMES, wall.TOLERANCE, wall.rise, wall.reference,
        {
            "SciPy banded": Peer(
                "Crank-Nicolson, 2 steps an hour, one tridiagonal factor",
                wall.peer_banded,
                [
                    {"per_hour": count, "scheme": scheme}
                    for scheme in ("crank_nicolson", "tr_bdf2")
                    for count in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
                ],
            ),
            "SciPy exponential": Peer("exact hourly step as a dense matrix", wall.peer_exponential),
        },
        2.0, 5.0,
    ),
    "E4s": Row(
        "E4s board of eight materials, steady",
        partial(board.case, steady=True), (), board.TOLERANCE, board.rise, board.reference_steady,
        {
            "SciPy + PyAMG": Peer(
                "conjugate gradients to 1e-2, Ruge-Stueben",
                partial(board.peer_steady, 1e-2, "ruge_stuben"),
                [
                    {"tolerance": tolerance, "kind": kind}
                    for kind in ("ruge_stuben", "smoothed_aggregation")
                    for tolerance in (1e-2, 1e-3, 1e-4)
                ],
            )
        },
        3.0, 8.0,
    ),
    "E4t": Row(
        "E4t board of eight materials, power steps, 8 times",
        board.case, board.TIMES, board.TOLERANCE, board.rise, board.reference_transient,
        {
            "SciPy + PyAMG": Peer(
                "TR-BDF2, steps of 1 s, conjugate gradients to 5e-5, Ruge-Stueben hierarchies kept",
                board.peer_transient,
                [
                    *({"step": step, "tolerance": 1e-4} for step in (2.5, 1.25, 1.0)),
                    *({"step": 1.0, "tolerance": tolerance} for tolerance in (5e-5, 3e-5)),
                    {"step": 1.0, "kind": "smoothed_aggregation"},
                    {"step": 1.0, "scheme": "crank_nicolson"},
                ],
            )
        },
        3.0, 8.0,
    ),
    "E5a": Row(
        "E5a laser track on a plate of 200 x 100",
        partial(laser.case, laser.FLAT), laser.FLAT.times, laser.TOLERANCE, laser.rise,
        partial(laser.reference, laser.FLAT, 0.0125),
        {
            "SciPy explicit": Peer(
                "midpoint rule at 0.95 of the stable step, products with a sparse matrix",
                partial(laser.peer_explicit, laser.FLAT),
                [{"share": share, "scheme": scheme} for scheme in ("midpoint", "euler") for share in (0.95, 0.5)],
            ),
            "SciPy LU": Peer(
                "Crank-Nicolson, steps of 10 ms, one symmetric LU",
                partial(laser.peer_implicit, laser.FLAT, 0.01),
                [
                    {"step": step, "scheme": scheme}
                    for scheme in ("crank_nicolson", "tr_bdf2")
                    for step in (0.05, 0.025, 0.0125, 0.01)
                ],
            ),
            "FiPy": Peer(
                "Crank-Nicolson, steps of 10 ms, conjugate gradients to 1e-5",
                partial(laser_fipy.peer, laser.FLAT, 0.01, 1e-5), environment="fipy",
            ),
        },
        5.0, 20.0,
    ),
    "E5b": Row(
        "E5b laser track on a plate of 100 x 50 x 10",
        partial(laser.case, laser.SOLID), laser.SOLID.times, laser.TOLERANCE, laser.rise,
        partial(laser.reference, laser.SOLID, 0.00625),
        {
            "SciPy explicit": Peer(
                "midpoint rule at 0.95 of the stable step, products with a sparse matrix",
                partial(laser.peer_explicit, laser.SOLID),
                [{"share": share, "scheme": scheme} for scheme in ("midpoint", "euler") for share in (0.95, 0.5)],
            ),
            "SciPy CG": Peer(
                "Crank-Nicolson, steps of 8.3 ms, conjugate gradients to 1e-4 by the diagonal",
                partial(laser.peer_gradients, laser.SOLID, 0.0084, 1e-4),
                [
                    {"step": step, "tolerance": tolerance}
                    for tolerance in (1e-4, 1e-5)
                    for step in (0.025, 0.0125, 0.0097, 0.0084)
                ],
            ),
            "FiPy": Peer(
                "Crank-Nicolson, steps of 9.6 ms, conjugate gradients to 1e-5",
                partial(laser_fipy.peer, laser.SOLID, 0.0097, 1e-5), environment="fipy",
            ),
        },
        5.0, 20.0,
    ),
    "E6": Row(
        "E6 wax box with aluminium fins, melting and freezing",
        wax.case, wax.TIMES, wax.TOLERANCE, wax.rise, wax.reference,
        {
            "SciPy": Peer(
                "TR-BDF2 for the enthalpy, steps of 20 s, Newton to 0.1 K with banded Cholesky",
                wax.peer,
                [
                    *({"step": step, "allowed": 0.1} for step in (50.0, 40.0, 25.0, 20.0, 10.0)),
                    {"step": 20.0, "allowed": 0.5},
                    *({"step": step, "scheme": "backward_euler"} for step in (10.0, 5.0, 2.5)),
                ],
            )
        },
        3.0, 10.0, wax.error,
    ),
}  # fmt: skip


def problem(name: str) -> "tuple[HeatProblem, tuple[float, ...], float]":
    """The problem of a row for Grid, its output times (empty for a steady state), and its tolerance."""
    from grid.engine import HeatProblem

    row = ROWS[name]
    return HeatProblem.from_case(row.case()), row.times, row.tolerance


def load_reference(name: str) -> FloatArray:
    """The fields at the output times, shape (times, cells of the body); made if nobody has made them yet."""
    row = ROWS[name]
    made_by = getattr(row.reference, "func", row.reference).__module__
    modules = {Path(module.__file__ or "") for module in (finite_volumes, solvers, stepping)}
    own = Path(__file__).parent / f"{made_by.rsplit('.', 1)[-1]}.py"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [*sorted(modules), own])).hexdigest()[:12]
    path = PLACE / f"{name}-{digest}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.npy")
        np.save(temporary, row.reference())
        temporary.replace(path)
    out: FloatArray = np.load(path)
    return out


def error_of(name: str, fields: FloatArray) -> float:
    """Largest error over output times and cells, as a share of the rise."""
    reference, row = load_reference(name), ROWS[name]
    if row.error is not None:
        return row.error(fields, reference)
    return float(np.abs(fields - reference).max()) / row.rise(reference)
