"""Compiled kernels are kept once for sources, versions and processor, whoever writes them at the same time."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import grid
from grid.engine import kernel_cache, kernel_folder
from grid.engine.kernel_cache import KernelCache, njit

needs_jit = pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")

# run in a process of its own: what of two kernels is compiled, and what they return
SUMS = """
    import json, sys
    import numpy as np
    from numba.core import event

    compiled = []

    class Listener(event.Listener):
        def on_start(self, found):
            compiled.append(found.data["dispatcher"].py_func.__name__)

        def on_end(self, found):
            pass

    event.register("numba:compile", Listener())
    from grid.engine.structural.fatigue.rainflow_kernel import count_ranges

    histories = np.array([[0.0, 3.0, 1.0, 5.0, 0.0]]).astype(sys.argv[1])
    ranges, counts = np.zeros_like(histories), np.zeros_like(histories)
    count_ranges(histories, ranges, counts)
    print(json.dumps([compiled, ranges.tolist(), counts.tolist()]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of this process, in a root of its own."""
    monkeypatch.setenv("GRID_KERNEL_CACHE", str(tmp_path / "kernels"))
    kernel_cache._folder.cache_clear()
    yield kernel_folder.open_folder()
    kernel_cache._folder.cache_clear()


def start(root: Path, sources: Path, kind: str) -> subprocess.Popen:
    lines = [line[4:] for line in SUMS.splitlines()]
    # not counted by coverage, whose report would ask for the sources of a clone that is gone
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines), kind],
        env={**variables, "GRID_KERNEL_CACHE": str(root), "PYTHONPATH": str(sources)},
        stdout=subprocess.PIPE,
        text=True,
    )


def read(process: subprocess.Popen) -> list:
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(text)


@needs_jit
def test_a_second_clone_compiles_nothing_and_processes_at_the_same_time_disturb_nobody(tmp_path):
    first = Path(grid.__file__).parents[1]
    second = tmp_path / "clone"
    shutil.copytree(first, second, ignore=shutil.ignore_patterns("__pycache__"))

    together = [start(tmp_path / "kernels", first, kind) for kind in ("float64", "float32", "float64")]
    results = [read(process) for process in together]
    again = {kind: read(start(tmp_path / "kernels", second, kind)) for kind in ("float64", "float32")}

    assert results[0][0] == results[1][0] == ["count_ranges"]
    for kind, result in again.items():
        assert result[0] == [], kind
        assert result[1:] == results[0][1:]
    assert len(list((tmp_path / "kernels").rglob("*.kernel"))) == 2


@needs_jit
def test_what_is_damaged_or_could_be_of_somebody_else_is_compiled_anew(folder):
    def make():
        @njit(nogil=True)
        def double(x):
            return 2 * x

        return double

    assert make()(3) == 6
    (file,) = folder.glob("*.kernel")
    sound = file.read_bytes()
    for spoil in (
        lambda: file.write_bytes(sound[: len(sound) // 2]),
        lambda: file.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1])),
        lambda: file.write_bytes(b""),
        lambda: file.chmod(0o666),
    ):
        spoil()
        again = make()
        assert again(3) == 6
        assert dict(again.stats.cache_misses) != {}
    loaded = make()
    assert loaded(4) == 8
    assert dict(loaded.stats.cache_misses) == {}


@needs_jit
def test_functions_that_differ_in_what_they_hold_have_files_of_their_own(folder):
    def make(factor):
        @njit(nogil=True)
        def scale(x):
            return factor * x

        return scale

    assert [make(factor)(1.5) for factor in (2, 3, 2)] == [3.0, 4.5, 3.0]
    assert [make(2)(one) for one in (1, np.float32(1.0))] == [2, 2.0]
    assert len(list(folder.glob("*.kernel"))) == 4
    cache = KernelCache(make(2).py_func)
    assert cache.cache_path == str(folder)
    cache.flush()
    assert list(folder.glob("*.kernel")) == []


@needs_jit
@pytest.mark.parametrize(
    "pair",
    [
        (lambda x: 3 * x, lambda x: 4 * x),
        (lambda x: math.sin(2 * x), lambda x: math.cos(2 * x)),
        (lambda x: (x, 2.0)[1], lambda x: (x, 3.0)[1]),
    ],
    ids=["constants", "names", "tuples"],
)
def test_functions_of_one_name_and_line_differ_by_their_constants_and_names(folder, pair):
    """They have the same byte code, which names its constants and globals by numbers."""
    for find in (*pair, *pair):
        assert njit(nogil=True)(find)(0.7) == find(0.7)
    assert len(list(folder.glob("*.kernel"))) == 2


@needs_jit
def test_a_function_that_is_compiled_with_other_options_has_a_file_of_its_own(folder):
    def invert(x):
        return 1.0 / x

    assert njit(error_model="numpy", fastmath={"contract", "nsz"})(invert)(0.0) == math.inf
    with pytest.raises(ZeroDivisionError):
        njit()(invert)(0.0)
    assert njit(fastmath={"nsz", "contract"}, error_model="numpy")(invert)(0.0) == math.inf
    assert len(list(folder.glob("*.kernel"))) == 2


@needs_jit
def test_nothing_is_kept_where_a_source_changed_before_it_was_hashed(folder, monkeypatch):
    """The module in memory may be the one from before: its code would be kept in the name of the new source."""
    changed_ns = max(changed for _, changed, _ in kernel_folder.stamp_sources())
    monkeypatch.setattr(kernel_folder, "LOADED_NS", changed_ns - 1)

    @njit(nogil=True)
    def quadruple(x):
        return 4 * x

    assert quadruple(2) == 8
    assert list(folder.glob("*.kernel")) == []


@needs_jit
@pytest.mark.parametrize("fault", ["no room", "sources edited", "off"])
def test_a_kernel_that_cannot_be_kept_is_compiled_and_used(folder, monkeypatch, fault):
    if fault == "no room":

        def refuse(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(kernel_cache.os, "open", refuse)
    elif fault == "sources edited":
        stamps = kernel_folder.stamp_sources()
        file, time, size = stamps[0]
        monkeypatch.setattr(kernel_folder.stamp_sources, "__wrapped__", lambda: ((file, time + 1, size), *stamps[1:]))
    else:
        monkeypatch.setenv("GRID_KERNEL_CACHE", "off")
        kernel_cache._folder.cache_clear()

    @njit(nogil=True)
    def triple(x):
        return 3 * x

    assert triple(2) == 6
    assert list(folder.iterdir()) == [folder / kernel_folder.DESCRIPTION]


def test_the_name_changes_with_sources_versions_and_processor_alone(monkeypatch):
    names = {kernel_folder.folder_name.__wrapped__()}
    describe, environment = kernel_folder.describe_environment, kernel_folder.describe_environment()
    for key, value in (("numba", "0.0"), ("python", "cpython-1"), ("processor", "z80"), ("features", "+none")):
        monkeypatch.setattr(kernel_folder, "describe_environment", lambda k=key, v=value: {**environment, k: v})
        names.add(kernel_folder.folder_name.__wrapped__())
    monkeypatch.setattr(kernel_folder, "describe_environment", lambda: environment)
    monkeypatch.setattr(kernel_folder, "hash_kernel_sources", lambda: "other")
    names.add(kernel_folder.folder_name.__wrapped__())
    assert len(names) == 6

    monkeypatch.setenv("NUMBA_OPT", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    assert describe.__wrapped__()["variables"] == {"NUMBA_OPT": "1"}


def test_sources_of_kernels_are_those_that_define_them_and_what_these_import():
    sources = kernel_folder.find_kernel_sources()
    engine = Path(grid.__file__).parent / "engine"
    for file in engine.rglob("*.py"):
        name = ".".join(("grid", "engine", *file.relative_to(engine).with_suffix("").parts))
        if "import njit" in file.read_text(encoding="utf-8"):
            assert name in sources
    names = {name.rpartition(".")[2] for name in sources}
    assert {"registers", "kernel_cache", "kernel_folder"} <= names  # imported by kernels, or by what these import
    assert not {"planning", "choosing", "solution"} & names
    assert not any(b"from numba import njit" in text for text in sources.values())


def test_folders_of_other_versions_go_when_they_are_many_or_long_unused(folder):
    root = folder.parent

    def make(name, unused_s):
        (root / name).mkdir()
        (root / name / kernel_folder.DESCRIPTION).touch()
        stamp = folder.stat().st_mtime - unused_s
        os.utime(root / name, (stamp, stamp))

    day = 86_400.0
    for number in range(kernel_folder.MOST_FOLDERS + 2):
        make(f"old-{number:02d}", (1 + number) * day)
    make("busy", 60.0)
    make("forgotten", 31 * day)
    (root / "somebody's").mkdir()
    kernel_folder.prune(root, but=folder.name)

    left = {place.name for place in root.iterdir()}
    assert {folder.name, "busy", "somebody's"} <= left
    assert "forgotten" not in left
    assert sum(name.startswith("old-") for name in left) == kernel_folder.MOST_FOLDERS - 2
    assert "old-00" in left
    assert kernel_folder.count(folder) == kernel_folder.Contents(0, 0)
