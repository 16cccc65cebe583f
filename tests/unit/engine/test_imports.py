"""What importing and solving load."""

import json
import re
import subprocess
import sys

import grid.engine
from grid.engine.version import compute_numerics_version

HEAVY = {"scipy", "numba", "matplotlib", "pandas", "pydantic", "fastapi", "sqlalchemy"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(out.stdout))


def test_importing_the_engine_loads_numpy_alone():
    assert "numpy" in loaded_after("import grid.engine")
    assert not loaded_after("import grid.engine") & HEAVY


def test_reading_and_estimating_a_problem_loads_no_solver():
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": {"expression": "sin(x)"},
        "resolution": {"cells": [8], "end_time": 1.0, "steps": 4},
    }
    statement = f"from grid.engine import HeatProblem, estimate\nestimate(HeatProblem.from_case({case!r}))"

    assert not loaded_after(statement) & HEAVY


def test_a_small_homogeneous_body_is_solved_without_compiled_code():
    """A rod in a fresh process is answered sooner than Numba is loaded."""
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": {"expression": "sin(3*x)"},
        "boundaries": {"x_min": {"type": "temperature", "value": 0.0}},
        "resolution": {"cells": [101], "end_time": 0.01},
    }
    statement = f"from grid.engine import HeatProblem, solve\nsolve(HeatProblem.from_case({case!r}), method='spectral')"

    assert "numba" not in loaded_after(statement)


def test_the_engine_imports_nothing_of_grid_but_errors_and_the_place_of_caches():
    shared = ("grid.core", "grid.core.errors", "grid.utils", "grid.utils.user_cache")
    code = "import sys, grid.engine\nprint('\\n'.join(n for n in sys.modules if n.startswith('grid.')))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert [n for n in names if not n.startswith("grid.engine") and n not in shared] == []


def test_the_numerics_version_is_twelve_hexadecimal_digits_and_repeatable():
    assert re.fullmatch(r"[0-9a-f]{12}", grid.engine.numerics_version)
    assert compute_numerics_version() == grid.engine.numerics_version
