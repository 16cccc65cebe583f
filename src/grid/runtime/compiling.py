"""Compile ahead of need: a process beside the fork server that fills the cache of kernels, once a machine and version.

Then it measures how fast this machine is, where a simulation chooses its methods by that and nobody has measured yet.

It has the lowest priority, and the fork server stops it while other processes of the worker compute
(`grid.runtime.forkserver`). Of the workers of a user one compiles; the others wait for it, and go on where it ended.
Until it is done, the first job that needs a kernel compiles it itself.
"""

import fcntl
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grid.runtime.preload import Registry, load_registry
from grid.runtime.processes import die_with_parent
from grid.schemas.simulations import Simulation
from grid.utils.user_cache import find_kernel_root

STAMP = "complete"  # beside the compiled kernels of plugins
LOCK = "ahead.lock"
NICE = 19
THREADS = "2"  # with one, kernels that share work are not met


def find_stamp() -> Path | None:
    """The file that says that the kernels of plugins are compiled; None where none are kept."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return Path(folder) / STAMP if folder else None


def start(registry: Registry, boot: str, config: dict[str, Any]) -> "subprocess.Popen[bytes] | None":
    """Start the process, unless its work is done or no simulation asks for it.

    Args:
        registry: Whose simulations may have methods `compile_ahead()`, `needs_compiling()`, `needs_calibration()` and
            `calibrate()`.
        boot: What the interpreter runs.
        config: Of the fork server: where modules are found, and the registry.
    """
    simulations = registry.simulations().values()
    if find_stamp() is None or not any(_needs_compiling(one) or _needs_calibration(one) for one in simulations):
        return None
    own = {"path": config["path"], "registry": config["registry"], "module": __name__, "parent": os.getpid()}
    return subprocess.Popen(
        _command(boot, own),
        env={**os.environ, "NUMBA_NUM_THREADS": THREADS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _command(boot: str, config: dict[str, Any]) -> list[str]:
    return [sys.executable, "-I", "-c", boot, json.dumps({**config, "boot": boot})]


def main(config: dict[str, Any]) -> None:
    """Be that process; a simulation that fails is named on stderr.

    Of several workers with one folder of kernels, one at a time compiles.
    """
    die_with_parent(config["parent"])
    os.nice(NICE - os.nice(0))
    stamp = find_stamp()
    if stamp is None:
        return
    with _alone(config.get("lock")) as lock:
        simulations = load_registry(config["registry"]).simulations()
        is_sound = compile_all(simulations)
        if is_sound and any(hasattr(one, "needs_compiling") and one.needs_compiling() for one in simulations.values()):
            _go_on(config, lock)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        calibrate_all(simulations)


@contextmanager
def _alone(descriptor: int | None) -> Iterator[int | None]:
    """Hold the lock of the user's kernels; wait for it, before anything large is loaded."""
    root = find_kernel_root()
    if descriptor is None and root is not None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _go_on(config: dict[str, Any], lock: int | None) -> None:
    """Become a new process, with the memory of a new one, that has the lock."""
    if lock is not None:
        os.set_inheritable(lock, True)
    os.execve(sys.executable, _command(config["boot"], {**config, "lock": lock}), os.environ)  # noqa: S606


def calibrate_all(simulations: Mapping[str, Simulation]) -> None:
    """Have every simulation that asks for it measure this machine."""
    for name, simulation in simulations.items():
        try:
            if _needs_calibration(simulation):
                simulation.calibrate()  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - a plugin's fault must not stop the others
            sys.stderr.write(f"calibrating for {name} failed:\n{traceback.format_exc()}")


def _needs_calibration(simulation: Simulation) -> bool:
    needs = getattr(simulation, "needs_calibration", None)
    return needs is not None and bool(needs())


def compile_all(simulations: Mapping[str, Simulation]) -> bool:
    """Have every simulation that asks for it compile what it may need; return whether none failed."""
    is_sound = True
    for name, simulation in simulations.items():
        try:
            if _needs_compiling(simulation):
                simulation.compile_ahead()  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - a plugin's fault must not stop the others
            sys.stderr.write(f"compiling ahead for {name} failed:\n{traceback.format_exc()}")
            is_sound = False
    return is_sound


def _needs_compiling(simulation: Simulation) -> bool:
    """Whether it says so; one that cannot say is asked once for each data folder."""
    needs = getattr(simulation, "needs_compiling", None)
    if needs is not None:
        return bool(needs())
    stamp = find_stamp()
    return hasattr(simulation, "compile_ahead") and stamp is not None and not stamp.exists()
