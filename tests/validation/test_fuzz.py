"""Any problem is refused by field, solved and audited, or ends in a typed error; never a crash, a hang or a NaN."""

import contextlib
import json
import math
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.fuzzing import make_problem, make_small, mutate

from grid.core.errors import FieldError, GridError, InvalidFieldsError, NumericsError, UnsupportedError
from grid.engine import HeatProblem, estimate, solve
from grid.engine.methods import METHODS
from grid.engine.verification.verification import asked_times, read_cases, verify_case

CASES = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["cases"]
SMALL = [make_small(case) for case in CASES]
HEAT = ("diffusion", "extension")
NAMES = ("auto", "auto", "auto", *(method.name for method in METHODS))
LONGEST_S = 30.0  # of processor time for one small problem; it is a hang, not a slow machine
MAX_WORK_S, MAX_BYTES = 0.3, 10**8
CHUNK = 250


def make_case(seed: int) -> dict[str, Any]:
    """The problem of a seed: half drawn, half published and bent."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        case = make_problem(rng)
        return mutate(case, rng) if rng.random() < 0.25 else case
    return mutate(rng.choice(SMALL), rng)


@contextlib.contextmanager
def no_hang(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block that takes more processor time."""

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def solve_heat(case: dict[str, Any], rng: random.Random) -> str:
    """What became of a heat problem; whatever comes out of a solve is finite."""
    asked: dict[str, Any] = {"method": rng.choice(NAMES)}
    if rng.random() < 0.4:
        asked["tolerance"] = 10.0 ** rng.uniform(-6.0, -2.0)
    problem = HeatProblem.from_case(case)
    needed = estimate(problem, **asked)
    assert math.isfinite(needed.work_s)
    assert needed.work_s >= 0.0
    if needed.work_s > MAX_WORK_S or needed.memory_bytes > MAX_BYTES:
        return "too large"
    solution = solve(problem, **asked)
    assert np.isfinite(solution.fields).all()
    assert all(math.isfinite(value) for value in solution.metrics.values())
    assert all(audit.value is None or math.isfinite(audit.value) for audit in solution.audits)
    failed = {audit.name: audit.value for audit in solution.audits if audit.verdict == "failed"}
    if failed.keys() - {"step_error"}:  # heat that does not add up to the last digits: told, and rare
        return "not closed"
    return "rejected" if failed else "solved"


def is_too_large(case: dict[str, Any]) -> bool:
    """Whether a valid heat problem, at the times that are expected of it, would take long."""
    try:
        needed = estimate(HeatProblem.from_case(case), times=asked_times(case) or None)
    except GridError:
        return False
    return needed.work_s > 10.0 * MAX_WORK_S


def verify(case: dict[str, Any]) -> str:
    """What became of a case of another kind; a row for each expected value, whatever happens."""
    [read] = read_cases({"schema_version": 2, "cases": [case]})
    if read["kind"] in HEAT and is_too_large(read):
        return "too large"
    rows = verify_case(read)
    assert len(rows) == len(read["expected"])
    for row in rows:
        assert row.passed or row.message
        assert not isinstance(row.value, float) or math.isfinite(row.value)
    return "solved" if all(row.value is not None for row in rows) else "refused"


def find_outcome(case: dict[str, Any], seed: int) -> str:
    try:
        with no_hang(LONGEST_S):
            is_heat = case.get("kind", "diffusion") in HEAT and "adaptive" not in case
            return solve_heat(case, random.Random(-seed)) if is_heat else verify(case)
    except (FieldError, InvalidFieldsError) as error:
        fields = error.errors if isinstance(error, InvalidFieldsError) else (error,)
        assert all(one.field and one.limit for one in fields)
        return "refused"
    except (UnsupportedError, NumericsError) as error:
        return type(error).code if str(error) else "refused without a word"


def try_seeds(seeds: range) -> Counter[str]:
    """Outcomes by kind; a problem that breaks the promise is shown with its seed."""
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        case = make_case(seed)
        try:
            outcomes[find_outcome(case, seed)] += 1
        except (
            GridError,
            ArithmeticError,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            AssertionError,
        ) as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{case!r}") from error
    return outcomes


@pytest.mark.parametrize("first", [0, 100, 200])
def test_every_problem_is_refused_by_field_solved_or_ends_in_a_typed_error(first):
    outcomes = try_seeds(range(first, first + 100))

    assert outcomes["refused"] > 15
    assert outcomes["solved"] > 15
    assert outcomes["rejected"] <= 5
    assert outcomes["not closed"] == 0
    assert outcomes["refused without a word"] == 0


@pytest.mark.physics
@pytest.mark.parametrize("chunk", range(20_000 // CHUNK))
def test_every_problem_of_twenty_thousand_keeps_the_promise(chunk):
    outcomes = try_seeds(range(1000 + chunk * CHUNK, 1000 + (chunk + 1) * CHUNK))

    assert outcomes["refused"] > 40
    assert outcomes["solved"] > 40
    assert outcomes["refused without a word"] == 0
    assert outcomes["not closed"] <= 4
