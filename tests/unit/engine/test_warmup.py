"""What is compiled ahead: every method on boxes on both sides of every threshold; then nothing is left to compile."""

import os
import subprocess
import sys
import textwrap

import pytest

from grid.core.errors import UnsupportedError
from grid.engine import compile_ahead, warmup
from grid.engine.methods import METHODS
from grid.engine.methods.explicit.limits import PARALLEL_CELLS
from grid.engine.run import planning
from grid.engine.values.expression import MANY_CELLS


def test_every_method_meets_every_dimension_on_both_sides_of_the_thresholds(monkeypatch):
    asked, solved = [], []

    class Planned:
        def solve(self):
            solved.append(asked[-1])

    def record(problem, *, method, tolerance):
        asked.append((method, problem.dimension, problem.domain.cell_count >= max(MANY_CELLS, PARALLEL_CELLS)))
        assert 0 < tolerance < 1
        if method == "adi" and problem.dimension == 1:
            raise UnsupportedError("one direction only")
        return Planned()

    monkeypatch.setattr(planning, "prepare", record)
    compile_ahead()

    kinds = {(method.name, dimension, size) for method in METHODS for dimension in (1, 2, 3) for size in (False, True)}
    assert kinds <= set(asked)
    assert set(asked) - set(solved) == {("adi", 1, False), ("adi", 1, True)}


JOBS = """
    from numba.core import event

    compiled = []

    class Listener(event.Listener):
        def on_start(self, found):
            compiled.append(found.data["dispatcher"].py_func.__qualname__)

        def on_end(self, found):
            pass

    event.register("numba:compile", Listener())
    from grid.plugins.builtin.heat import Heat
    heat = Heat()
    SWING, PLAIN = {"table": [[0, 1], [1e-6, 2]]}, (("as_posed", 1.0),)
    heat.warm_up()
    for method in heat.params_model.model_fields["method"].annotation.__args__:
        for cells in ([7], [9, 5], [5, 4, 6], [330, 310]):
            for law in (2.0, {"expression": "1 + x*x"}, {"expression": "1 + T/300"}):
                if len(cells) == 2 and cells[0] > 300 and "T" in str(law) and method in ("auto", "implicit"):
                    continue  # a minute for the kernels of a small plane
                for model, flux in PLAIN if cells != [7] else (*PLAIN, ("corrected", 1.0), ("as_posed", SWING)):
                    problem = {
                        "domain": {"size": [1.0] * len(cells)},
                        "material": {"conductivity": law, "volumetric_heat_capacity": 3.0},
                        "temperature_unit": "K",
                        "initial": 300.0,
                        "boundaries": {
                            "x_min": {"type": "convection", "coefficient": 2.0, "ambient": 310.0},
                            "x_max": {"type": "flux", "value": flux},
                        },
                        "resolution": {"cells": cells, "end_time": 1e-6},
                    }
                    point = heat.params_model(problem=problem, method=method, model=model, tolerance=0.05)
                    try:
                        heat.estimate(point)
                    except Exception:
                        continue
                    heat.solve([point], lambda _: frozenset())
    print("compiled:", *compiled)
"""


@pytest.mark.physics
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
def test_after_that_no_job_compiles_anything(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "2"}

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=800
        ).stdout

    run("from grid.engine import compile_ahead, warm; warm(); compile_ahead()")

    assert run(textwrap.dedent(JOBS)).strip() == "compiled:"
    assert warmup.LARGE[2] ** 2 >= MANY_CELLS
