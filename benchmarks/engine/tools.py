"""Who runs what: for each problem the peers and the engine's own side, each a module run in its own process."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.environments import OWN, PETSC, PLACE, ROOT, EnvironmentMissingError, prepare

Record = dict[str, Any]
GRID = "Grid"


@dataclass(frozen=True)
class Tool:
    """A process that prints records.

    Args:
        peer: Name by which `--peers` chooses it; `Grid` always runs.
        environment: See `benchmarks.engine.environments.prepare`.
        module: Run by `python -m`.
        arguments: After the module.
        seconds: After which it is stopped.
    """

    peer: str
    environment: str
    module: str
    arguments: tuple[str, ...] = ()
    seconds: float = 600.0


def _explicit(problem: str) -> tuple[Tool, ...]:
    makers = (("Grid", OWN, "own.explicit"), ("JAX", "jax", "peers.jax_explicit"),
              ("Devito", "devito", "peers.devito_explicit"), ("NumPy", "scipy", "peers.numpy_explicit"))  # fmt: skip
    return tuple(
        Tool(peer, environment, module, (problem, precision))
        for precision in ("f64", "f32")
        for peer, environment, module in makers
        if precision == "f64" or peer != "NumPy"
    )


TOOLS: dict[str, tuple[Tool, ...]] = {
    "P1": _explicit("P1"),
    "P1L": (Tool(GRID, OWN, "memory"), *_explicit("P1L")),
    "P2": _explicit("P2"),
    "P3": (
        Tool("SciPy", "scipy", "peers.scipy_stiff"),
        Tool(GRID, OWN, "own.solving", ("P3",)),
        Tool(GRID, OWN, "own.solving", ("P3", "mixed")),
    ),
    "P3N": (
        Tool("SciPy", "scipy", "peers.scipy_radiating"),
        Tool("PETSc", PETSC, "peers.petsc_radiating"),
        Tool(GRID, OWN, "own.solving", ("P3N",)),
    ),
    "P4": (Tool("SciPy", "scipy", "peers.scipy_box"), Tool(GRID, OWN, "own.solving", ("P4",))),
    "P5": (Tool("JAX", "jax", "peers.jax_rods"), Tool(GRID, OWN, "own.rods")),
    "cold": (Tool(GRID, OWN, "own.cold"),),
    "growth": (Tool(GRID, OWN, "own.growth", seconds=1800.0),),
}
PEERS = tuple(dict.fromkeys(tool.peer for tools in TOOLS.values() for tool in tools if tool.peer != GRID))


def run(tools: Sequence[Tool], repeats: int, threads: int) -> Iterator[Record]:
    """Run the tools one after the other; a tool that fails gives a record with `failed`."""
    for tool in tools:
        name = f"{tool.peer} ({' '.join((tool.module, *tool.arguments))})"
        try:
            environment = prepare(tool.environment)
        except EnvironmentMissingError as error:
            yield {"tool": tool.peer, "failed": f"{name}: {error}"}
            continue
        count = str(threads)
        variables = {
            **os.environ, **environment.variables, "PYTHONPATH": str(ROOT), "BENCH_REPEATS": str(repeats),
            "BENCH_THREADS": count, "OMP_NUM_THREADS": count, "NUMBA_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count,
            "BENCH_REFERENCES": str(PLACE / "references"),
        }  # fmt: skip
        command = [environment.python, "-m", f"benchmarks.engine.{tool.module}", *tool.arguments]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=tool.seconds, check=False
            )
        except subprocess.TimeoutExpired:
            yield {"tool": tool.peer, "failed": f"{name}: stopped after {tool.seconds:g} s"}
            continue
        yield from (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
        if done.returncode:
            yield {"tool": tool.peer, "failed": f"{name}: {done.stderr.strip()[-400:]}"}
