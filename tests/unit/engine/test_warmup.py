"""What is compiled ahead: what nearly all problems need, in groups, each of them once."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from grid.engine import compile_ahead, warmup

ROOT = Path(__file__).parents[3]


def test_groups_are_compiled_once_and_one_that_fails_is_told_and_stops_no_other(tmp_path, monkeypatch):
    calls = []

    def fail():
        raise ValueError("no such kernel")

    groups = tuple(
        warmup.Group(name, lambda name=name: fail() if name == "b, faulty" else calls.append(name))
        for name in ("a", "b, faulty", "c")
    )
    monkeypatch.setattr(warmup, "list_groups", lambda: groups)
    monkeypatch.setenv("GRID_KERNEL_CACHE", str(tmp_path / "kernels"))
    assert (warmup.find_missing(), warmup.is_warm()) == (["a", "b, faulty", "c"], False)

    assert compile_ahead(most_bytes=1) == ["a"]  # such a process is large from the start, and leaves the rest to others
    assert (warmup.find_missing(), warmup.is_warm()) == (["b, faulty", "c"], True)
    told = []
    assert compile_ahead(on_group=told.append) == told == ["b, faulty", "c"]
    assert compile_ahead() == []
    assert calls == ["a", "c"]
    assert (warmup.find_missing(), warmup.find_failed()) == ([], ["b, faulty"])

    monkeypatch.setenv("GRID_KERNEL_CACHE", "off")
    assert (warmup.find_missing(), warmup.find_failed(), warmup.is_warm()) == ([], [], True)


JOBS = """
    import json, warnings
    from numba.core import event

    compiled = []

    class Listener(event.Listener):
        def on_start(self, found):
            compiled.append(found.data["dispatcher"].py_func.__qualname__)

        def on_end(self, found):
            pass

    event.register("numba:compile", Listener())
    warnings.simplefilter("ignore")
    from benchmarks.engineers.random_problems import make
    from grid.core.errors import GridError
    from grid.engine import HeatProblem, prepare

    needed = []
    for number in range(120):
        asked = make(number)
        options = {} if asked.tolerance is None else {"tolerance": asked.tolerance}
        try:
            plan = prepare(HeatProblem.from_case(asked.case), times=asked.times or None, **options)
            if plan.summary.estimate.work_s > 0.2:
                continue
            compiled.clear()
            plan.solve()
        except GridError:
            continue
        needed.append(sorted(set(compiled)))
    print(json.dumps(needed))
"""


@pytest.mark.physics
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
def test_after_that_hardly_a_problem_of_engineers_compiles_anything(tmp_path):
    environment = {**os.environ, "GRID_KERNEL_CACHE": str(tmp_path / "kernels"), "NUMBA_NUM_THREADS": "2"}

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    run("from grid.engine import compile_ahead; compile_ahead()")
    needed = json.loads(run(textwrap.dedent(JOBS)))

    assert len(needed) > 40
    assert sum(map(bool, needed)) <= 0.05 * len(needed)  # and each kernel once, as they are kept
