"""Kernels are compiled ahead once, in a process that yields to work, whatever a plugin does there."""

import fcntl
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

import grid
from grid.engine import kernel_folder
from grid.engine.costs import calibration
from grid.runtime import compiling, forkserver
from grid.runtime.environment import (
    find_calibration,
    find_kernel_cache,
    make_child_environment,
    share_calibration,
)
from grid.runtime.forkserver import BOOT

TOYS = """
    import os
    import time
    from pathlib import Path

    class Faulty:
        def compile_ahead(self):
            raise RuntimeError("no compiler here")

    class Choosing:
        def needs_calibration(self):
            return not Path(os.environ["GRID_CALIBRATION"]).exists()

        def calibrate(self):
            Path(os.environ["GRID_CALIBRATION"]).write_text(str(os.nice(0)))

    class Working:
        def compile_ahead(self):
            place = Path(os.environ["NUMBA_CACHE_DIR"])
            place.mkdir(parents=True, exist_ok=True)
            (place / "kernel").write_text(f"{os.environ['NUMBA_NUM_THREADS']} {os.nice(0)}")

    class Gradual:
        notes = Path(os.environ["NUMBA_CACHE_DIR"]) / "notes"

        def needs_compiling(self):
            return not self.notes.exists() or self.notes.read_text().count("\\n") < 3

        def compile_ahead(self):
            with self.notes.open("a") as notes:
                print(os.getpid(), time.process_time(), file=notes)

    class Registry:
        def simulations(self):
            return {"faulty": Faulty(), "plain": object(), "working": Working(), "choosing": Choosing()}

    class GradualRegistry:
        def simulations(self):
            return {"gradual": Gradual()}

    def load():
        return Registry()

    def load_gradual():
        return GradualRegistry()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of compiled kernels."""
    folder = tmp_path / "cache" / "kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    monkeypatch.setenv("GRID_KERNEL_CACHE", "off")
    monkeypatch.setenv("GRID_CALIBRATION", str(tmp_path / "unasked"))  # where `Choosing` writes
    return folder


def make_registry(*simulations):
    return SimpleNamespace(simulations=lambda: dict(enumerate(simulations)))


ASKING = SimpleNamespace(compile_ahead=lambda: None)


def test_kernels_are_compiled_once_though_one_plugin_fails(tmp_path, place, capfd):
    (tmp_path / "toys.py").write_text(textwrap.dedent(TOYS))
    config = {"path": [*sys.path, str(Path(grid.__file__).parents[1]), str(tmp_path)], "registry": "toys:load"}

    with compiling.start(make_registry(ASKING), BOOT, config) as process:
        assert process.wait(60) == 0

    threads, nice = (place / "kernel").read_text().split()
    assert int(threads) >= 2
    assert int(nice) >= compiling.NICE
    assert "compiling ahead for faulty failed" in capfd.readouterr().err
    assert compiling.start(make_registry(ASKING), BOOT, config) is None


def test_of_two_workers_one_compiles_while_the_other_waits_for_it(tmp_path, place, monkeypatch):
    (tmp_path / "toys.py").write_text(textwrap.dedent(TOYS))
    config = {"path": [*sys.path, str(Path(grid.__file__).parents[1]), str(tmp_path)], "registry": "toys:load"}
    root = tmp_path / "kernels"
    root.mkdir(mode=0o700)
    monkeypatch.setenv("GRID_KERNEL_CACHE", str(root))
    with (root / compiling.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = compiling.start(make_registry(ASKING), BOOT, config)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        assert not (place / "kernel").exists()

    assert process.wait(60) == 0
    assert (place / "kernel").exists()


def test_a_simulation_that_does_a_part_in_each_process_is_asked_until_it_needs_no_more(tmp_path, place):
    (tmp_path / "toys.py").write_text(textwrap.dedent(TOYS))
    config = {"path": [*sys.path, str(Path(grid.__file__).parents[1]), str(tmp_path)], "registry": "toys:load_gradual"}
    place.mkdir(parents=True)
    asking = SimpleNamespace(compile_ahead=lambda: None, needs_compiling=lambda: True)

    with compiling.start(make_registry(asking), BOOT, config) as process:
        assert process.wait(60) == 0

    pids, _ = zip(*(line.split() for line in (place / "notes").read_text().splitlines()), strict=True)
    assert pids == (str(process.pid),) * 3  # one process after another in the place of the first
    assert compiling.start(make_registry(SimpleNamespace(needs_compiling=lambda: False)), BOOT, config) is None


def test_the_compiler_is_stopped_while_others_compute_and_goes_on_afterwards(monkeypatch):
    used, signals, now = {10: 1.0, 11: 0.0, 12: 5.0}, [], [0.0]
    monkeypatch.setattr(forkserver, "find_descendants", lambda _: list(used))
    monkeypatch.setattr(forkserver, "find_cpu_seconds", lambda pid: used[pid])
    monkeypatch.setattr(forkserver.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(forkserver.os, "kill", lambda pid, number: signals.append((pid, number)))
    pauses = forkserver.Pauses(1)

    def look(after_s, **grown):
        now[0] += after_s
        for pid, seconds in grown.items():
            used[int(pid[1:])] += seconds
        return pauses.look(12)

    assert not look(1.0)  # what they have used before is not known
    assert signals == [(12, signal.SIGSTOP)]
    assert not look(forkserver.STILL_S / 2)
    assert look(forkserver.STILL_S, p12=1.0)  # its own time does not count
    assert signals[1:] == [(12, signal.SIGCONT)]
    assert not look(forkserver.LOOK_S, p11=0.01)
    assert signals[2:] == [(12, signal.SIGSTOP)]
    assert not look(forkserver.LOOK_S / 10)  # not looked at so often
    assert not look(forkserver.LOOK_S, p11=0.01)
    del used[11]
    assert look(2 * forkserver.STILL_S)
    assert signals[3:] == [(12, signal.SIGCONT)]


def test_nothing_is_started_where_no_simulation_asks_or_no_kernels_are_kept(place, monkeypatch):
    assert compiling.start(make_registry(object()), BOOT, {}) is None
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert compiling.start(make_registry(ASKING), BOOT, {}) is None
    assert not place.exists()


def test_a_machine_is_measured_after_compiling_and_when_that_is_done(tmp_path, place, monkeypatch):
    (tmp_path / "toys.py").write_text(textwrap.dedent(TOYS))
    config = {"path": [*sys.path, str(Path(grid.__file__).parents[1]), str(tmp_path)], "registry": "toys:load"}
    file = tmp_path / "speed"
    monkeypatch.setenv("GRID_CALIBRATION", str(file))
    place.mkdir(parents=True)
    (place / compiling.STAMP).touch()
    unmeasured = SimpleNamespace(needs_calibration=lambda: True)

    assert compiling.start(make_registry(ASKING), BOOT, config) is None
    with compiling.start(make_registry(unmeasured), BOOT, config) as process:
        assert process.wait(60) == 0
    assert int(file.read_text()) >= compiling.NICE
    assert not (place / "kernel").exists()


def test_all_children_of_a_user_share_one_folder_of_kernels(tmp_path, monkeypatch):
    for name in ("GRID_KERNEL_CACHE", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernels = find_kernel_cache(tmp_path / "home")
    assert kernels == str(tmp_path / "grid" / "kernels") == str(kernel_folder.find_root())
    assert find_kernel_cache(tmp_path / "home", "off") == "off"

    told = make_child_environment(tmp_path / "home", tmp_path / "scratch", kernels=kernels)
    assert told["GRID_KERNEL_CACHE"] == kernels
    assert told["NUMBA_CACHE_DIR"] == str(tmp_path / "home" / "cache" / "numba")  # of plugins


def test_all_children_of_a_user_share_one_calibration(tmp_path, monkeypatch):
    for name in ("GRID_CALIBRATION", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert find_calibration() == str(calibration.find_folder())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_calibration() == str(calibration.find_folder()) == str(tmp_path / "grid" / "calibration")
    assert find_calibration("off") == "off"

    told = make_child_environment(tmp_path, tmp_path / "scratch", calibration=find_calibration())
    assert told["GRID_CALIBRATION"] == find_calibration()
    share_calibration("off")
    assert calibration.find_folder() is None
    assert find_calibration() == "off"
