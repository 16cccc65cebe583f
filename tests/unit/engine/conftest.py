"""Short ways to write problems."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from grid.engine import HeatProblem


def build_case(dimension: int = 1, **changes: Any) -> dict[str, Any]:
    """A unit box of unit material, initially 1, insulated, for 0.1 s; `changes` replace fields."""
    case: dict[str, Any] = {
        "dimension": dimension,
        "domain": {"coordinates": "cartesian", "size": [1.0] * dimension},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 1.0,
        "steady": False,
        "resolution": {"cells": [8] * dimension, "steps": 20, "end_time": 0.1},
    }
    return case | changes


@pytest.fixture(autouse=True)
def count_compiled_kernels_elsewhere(request: pytest.FixtureRequest) -> None:
    """The pass without compilation runs the tests marked `jit` again and counts their lines."""
    if request.node.get_closest_marker("jit") and not os.environ.get("NUMBA_DISABLE_JIT"):
        request.getfixturevalue("without_coverage")


@pytest.fixture(scope="session")
def make_case() -> Callable[..., dict[str, Any]]:
    return build_case


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., HeatProblem]:
    return lambda dimension=1, **changes: HeatProblem.from_case(build_case(dimension, **changes))
