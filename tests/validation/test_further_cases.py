"""Cases beyond the published ones, in combinations that those do not show: each answer is known without this engine."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from grid.core.errors import GridError
from grid.engine import HeatProblem, solve
from grid.engine.verification.verification import read_cases, verify_case

CASES = json.loads((Path(__file__).parent / "data/further_cases.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_every_expected_value_is_met(case: dict[str, Any]) -> None:
    (read,) = read_cases({"schema_version": 2, "cases": [case]})
    rows = verify_case(read)
    assert len(rows) == len(case["expected"])
    assert [row.message for row in rows if not row.passed] == []


def make_bistable(guess: float, source: str) -> HeatProblem:
    case = copy.deepcopy(next(case for case in CASES if case["id"] == "two-steady-states"))
    del case["expected"]
    return HeatProblem.from_case(case | {"guess": guess, "source_term": {"expression": source}})


@pytest.mark.parametrize(("guess", "state"), [(2.1, 2.0), (1.6, 2.0), (3.0, 2.0), (-0.6, -1.0)])
def test_a_steady_state_is_the_stable_one_to_which_the_guess_relaxes(guess: float, state: float) -> None:
    solution = solve(make_bistable(guess, "-(T + 1)*(T - 1)*(T - 2)"))
    assert solution.is_accepted
    assert solution.fields[-1] == pytest.approx(state, abs=1e-9)


def test_an_unstable_steady_state_is_refused() -> None:
    with pytest.raises(GridError, match="not stable"):
        solve(make_bistable(1.0, "T - 1"))


def test_a_source_that_does_not_fix_the_level_is_refused() -> None:
    with pytest.raises(GridError, match="nothing that has a temperature"):
        solve(make_bistable(1.0, "5 + 0*T"))


@pytest.mark.parametrize("steps", [1.5, True, float("nan"), 0])
def test_steps_are_a_whole_number(steps: Any) -> None:
    case = next(case for case in CASES if case["id"] == "heat-lost")
    with pytest.raises(GridError, match=r"^steps: an integer"):
        solve(HeatProblem.from_case({name: value for name, value in case.items() if name != "expected"}), steps=steps)
