"""Kernels are compiled ahead once for each version, in a process of its own, whatever a plugin does there."""

import fcntl
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

import grid
from grid.engine.costs import calibration
from grid.runtime import compiling
from grid.runtime.environment import find_calibration, make_child_environment, share_calibration
from grid.runtime.forkserver import BOOT

TOYS = """
    import os
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

    class Registry:
        def simulations(self):
            return {"faulty": Faulty(), "plain": object(), "working": Working(), "choosing": Choosing()}

    def load():
        return Registry()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of compiled kernels."""
    folder = tmp_path / "cache" / "kernels"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
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


def test_of_two_workers_with_one_folder_the_first_one_compiles(place):
    place.mkdir(parents=True)
    config = {"path": sys.path, "registry": "no_such_module:load"}
    with (place / f"{compiling.STAMP}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with compiling.start(make_registry(ASKING), BOOT, config) as process:
            assert process.wait(60) == 0  # it never looked for the registry

    assert not (place / compiling.STAMP).exists()


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
