"""Mutated problems are refused, right, or end in a typed error; never a crash, a hang or a number not finite."""

import copy
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from grid.core.errors import GridError
from grid.engine import HeatProblem, estimate, solve

CASES = json.loads((Path(__file__).parents[2] / "validation" / "data" / "cases.json").read_text())["cases"]
HEAT = [case for case in CASES if case["kind"] in ("diffusion", "extension")]
NASTY = [
    None, True, False, 0, -1, 1, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf, 10**400, -(10**400),
    "", "x", "\x00", "\ud800", "1e5", [], [[]], {}, [1.0, 2.0, 3.0], 1e9,
    {"expression": "1/0"}, {"expression": "x/0*t"}, {"expression": "T"}, {"expression": "where(x<0,1,2)"},
    {"expression": "(" * 100}, {"table": [[0, 1], [1, 2]]}, {"table": [[0, math.nan]]},
]  # fmt: skip
EXAMPLES_IN_CI = 2_000


def small(case):
    """The case on few cells and steps, so that a mutant that is right costs little."""
    case = copy.deepcopy(case)
    resolution = case["resolution"]
    resolution["cells"] = [min(count, 6) for count in resolution["cells"]]
    if "steps" in resolution:
        resolution["steps"] = min(resolution["steps"], 5)
    case.pop("expected", None)
    return case


def places_in(node, path=()):
    """Paths of every value of a JSON tree."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from places_in(child, (*path, key))


def mutate(case, rng):
    case = small(case)
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice(list(places_in(case)))
        parent = case
        for key in path[:-1]:
            parent = parent[key]
        old = parent[path[-1]]
        action = rng.randrange(5)
        if action == 0 and isinstance(parent, dict):
            del parent[path[-1]]
        elif action == 1 and isinstance(old, (int, float)) and not isinstance(old, bool):
            parent[path[-1]] = old * rng.choice((-1.0, 0.0, 1e-6, 1e6, 1e-300, 1e300, 0.5, 3.0))
        elif action == 2 and isinstance(parent, dict):
            parent[rng.choice(("velocity", "where", "zz", "value", "type"))] = copy.deepcopy(rng.choice(NASTY))
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(NASTY))
    return case


def outcome(case):
    try:
        problem = HeatProblem.from_case(case)
        needed = estimate(problem)
        if needed.work_s > 0.5 or needed.memory_bytes > 10**8:
            return "too large"
        solution = solve(problem)
    except GridError as error:
        return "refused" if str(error) else "refused without a word"
    assert np.isfinite(solution.fields).all()
    assert all(audit.value is None or math.isfinite(audit.value) for audit in solution.audits)
    assert all(math.isfinite(value) for value in solution.metrics.values())
    return "solved"


@pytest.mark.parametrize("seed", range(8))
def test_a_mutated_problem_is_refused_right_or_a_typed_error(seed):
    rng = random.Random(seed)
    outcomes = [outcome(mutate(rng.choice(HEAT), rng)) for _ in range(EXAMPLES_IN_CI // 8)]

    assert outcomes.count("refused") > 50
    assert outcomes.count("solved") > 5
