"""Compile ahead of need: a process beside the fork server that fills the cache of kernels, once for each version.

Then it measures how fast this machine is, where a simulation chooses its methods by that and nobody has measured yet.

What a fork server warms up is what most jobs use. The other kernels take a minute and more memory than a slot child
should have, so a process of low priority compiles them into the cache, where children find them. Until it is done, the
first job that needs one of them compiles it itself.
"""

import fcntl
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from grid.runtime.preload import Registry, load_registry
from grid.runtime.processes import die_with_parent
from grid.schemas.simulations import Simulation

STAMP = "complete"  # beside the compiled kernels
NICE = 15
THREADS = "2"  # with one, kernels that share work are not met


def find_stamp() -> Path | None:
    """The file that says that all kernels of this version are compiled; None where none are kept."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return Path(folder) / STAMP if folder else None


def start(registry: Registry, boot: str, config: dict[str, Any]) -> "subprocess.Popen[bytes] | None":
    """Start the process, unless its work is done or no simulation asks for it.

    Args:
        registry: Whose simulations may have methods `compile_ahead()`, `needs_calibration()` and `calibrate()`.
        boot: What the interpreter runs.
        config: Of the fork server: where modules are found, and the registry.
    """
    stamp, simulations = find_stamp(), registry.simulations().values()
    compiles = stamp is not None and not stamp.exists() and any(hasattr(one, "compile_ahead") for one in simulations)
    if stamp is None or not (compiles or any(map(_needs_calibration, simulations))):
        return None
    own = {"path": config["path"], "registry": config["registry"], "module": __name__, "parent": os.getpid()}
    return subprocess.Popen(
        [sys.executable, "-I", "-c", boot, json.dumps(own)],
        env={**os.environ, "NUMBA_NUM_THREADS": THREADS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def main(config: dict[str, Any]) -> None:
    """Be that process; a simulation that fails is named on stderr, and is not tried again for this version.

    Of several workers with one folder of kernels, the first one compiles.
    """
    die_with_parent(config["parent"])
    os.nice(NICE)
    stamp = find_stamp()
    if stamp is None:
        return
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with stamp.with_name(f"{STAMP}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not stamp.exists():
            compile_all(config)
            stamp.touch()
        calibrate_all(config)


def calibrate_all(config: dict[str, Any]) -> None:
    """Have every simulation that asks for it measure this machine."""
    for name, simulation in load_registry(config["registry"]).simulations().items():
        try:
            if _needs_calibration(simulation):
                simulation.calibrate()  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - a plugin's fault must not stop the others
            sys.stderr.write(f"calibrating for {name} failed:\n{traceback.format_exc()}")


def _needs_calibration(simulation: Simulation) -> bool:
    needs = getattr(simulation, "needs_calibration", None)
    return needs is not None and bool(needs())


def compile_all(config: dict[str, Any]) -> None:
    """Have every simulation of the registry compile what it may need."""
    for name, simulation in load_registry(config["registry"]).simulations().items():
        try:
            compile_ahead = getattr(simulation, "compile_ahead", None)
            if compile_ahead is not None:
                compile_ahead()
        except Exception:  # noqa: BLE001 - a plugin's fault must not stop the others
            sys.stderr.write(f"compiling ahead for {name} failed:\n{traceback.format_exc()}")
