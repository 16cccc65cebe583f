"""Verification: the cases of a file computed, and every expected value compared (docs/case-format.md, section 1).

What computes a case is chosen by its `kind` alone, and what is taken from the result by `quantity`; names and titles
of cases decide nothing. A case that this version cannot express, or whose mathematics refuses, fails row by row with
the reason; a file that is not of the format is refused as a whole.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from grid.core.errors import FieldError, GridError, UnsupportedError
from grid.engine.lumped.method import find_model
from grid.engine.problem.case import KINDS, OTHER_KINDS
from grid.engine.problem.problem import HeatProblem
from grid.engine.problem.reader import CaseReader
from grid.engine.results.ladder import Ladder
from grid.engine.results.solution import Solution
from grid.engine.run.richardson import solve_on_ladder
from grid.engine.run.solve import solve
from grid.engine.verification.quantities import asked_times, compute_quantity

SCHEMA_VERSION = 2  # [-] version of the schema of cases
MAX_CASES = 10_000  # [-] cases of a file at most
MAX_EXPECTED = 10_000  # [-] expected entries of one case, and numbers in one list, at most
COMPARISONS = ("within", "at_least", "at_most")
FINE_TOLERANCE = 1e-5  # [-] tolerance of time, so small that the errors of space dominate
LARGE_TOLERANCE = 1e-4  # [-] tolerance of time, tried first on grids of more than `LARGE_GRID` cells
LARGE_GRID = 16_384  # [-] cells from which on a run at the fine tolerance may take a minute
TIME_SHARE = 0.1  # [-] error of time over the tolerance of an expected value, up to which it does not count
TEMPERATURES = ("temperature", "interface_temperature", "mean_temperature")
EXTRAPOLATED = ("temperature", "interface_temperature", "mean_temperature", "heat_flux", "heat_rate")
# What computes a kind that is not heat on a grid: a module with `prepare_case(case) -> Compute`, which raises
# GridError for a case that is not valid. Loaded when such a case is met.
SOLVERS: dict[str, str] = {
    "lumped": "grid.engine.verification.lumped",
    "certificate": "grid.engine.verification.certificates",
    "stress": "grid.engine.verification.structural.cases",
    "integrity": "grid.engine.verification.structural.cases",
    "fatigue": "grid.engine.verification.structural.cases",
}

Case = Mapping[str, Any]
Entry = Mapping[str, Any]
Compute = Callable[[Entry], Any]  # the value of an entry


@dataclass(frozen=True)
class Row:
    """One expected value beside the computed one.

    Args:
        case: Identity of the case.
        kind: Its kind.
        quantity: Name of the quantity.
        at: The place, if one was named.
        time: The time, if one was named [s].
        value: What was computed; None where nothing was.
        expected: What was expected, in the same unit.
        error_over_tolerance: How far off, in tolerances; None where there is no tolerance or no value.
        error_over_plain: The case's largest error of a temperature over `plain_second_order_error`.
        passed: Whether the comparison holds and no audit rejects the run.
        message: Why not; empty where it passed.
    """

    case: str
    kind: str
    quantity: str
    at: Mapping[str, float] | None
    time: float | None
    value: Any
    expected: Any
    error_over_tolerance: float | None
    error_over_plain: float | None
    passed: bool
    message: str


@dataclass(frozen=True)
class Comparison:
    """Comparison of a computed value with an expected one."""

    passed: bool
    error_over_tolerance: float | None
    message: str


def read_cases(document: object, *, case_id: str | None = None) -> list[Case]:
    """The cases of a file, all or the one called `case_id`, with everything checked that does not depend on the kind.

    Raises:
        FieldError, InvalidFieldsError: The file is not of the format, or has no such case.
    """
    reader = CaseReader()
    fields = reader.read_mapping(
        "", document, allowed=("schema_version", "cases"), required=("schema_version", "cases")
    )
    if "schema_version" in fields and fields["schema_version"] != SCHEMA_VERSION:
        reader.refuse("schema_version", str(SCHEMA_VERSION))
    raw = reader.read_list("cases", fields.get("cases"), longest=MAX_CASES) or []
    for index, case in enumerate(raw):
        _check_case(reader, f"cases[{index}]", case)
    reader.finish()
    found = [case for case in raw if case_id is None or case["id"] == case_id]
    if not found:
        raise FieldError("case", "the id of a case of this file")
    return found


def _check_case(reader: CaseReader, path: str, case: object) -> None:
    if not isinstance(case, Mapping):
        reader.refuse(path, "an object")
        return
    if not isinstance(case.get("id"), str):
        reader.refuse(f"{path}.id", "a text")
    reader.read_choice(f"{path}.kind", case.get("kind"), (*KINDS, *OTHER_KINDS))
    resolution = case.get("resolution")
    if isinstance(resolution, Mapping) and "plain_second_order_error" in resolution:
        reader.read_number(f"{path}.resolution.plain_second_order_error", resolution["plain_second_order_error"])
    entries = reader.read_list(f"{path}.expected", case.get("expected"), longest=MAX_EXPECTED)
    for index, entry in enumerate(entries or ()):
        _check_entry(reader, f"{path}.expected[{index}]", entry)


def _check_entry(reader: CaseReader, path: str, entry: object) -> None:
    if not isinstance(entry, Mapping):
        reader.refuse(path, "an object")
        return
    for name in ("quantity", "direction", "boundary", "side"):
        if (name == "quantity" or name in entry) and not isinstance(entry.get(name), str):
            reader.refuse(f"{path}.{name}", "a text")
    for name in ("time", "level"):
        if name in entry:
            reader.read_number(f"{path}.{name}", entry[name])
    reader.read_choice(f"{path}.compare", entry.get("compare", "within"), COMPARISONS)
    if "at" in entry:
        for axis, place in reader.read_mapping(f"{path}.at", entry["at"], allowed=("x", "y", "z", "r")).items():
            reader.read_number(f"{path}.at.{axis}", place)
    _check_answer(reader, path, entry)
    for name, longest in (("grids", 3), ("steps", 0)):
        if name in entry:
            _check_counts(reader, f"{path}.{name}", entry[name], longest)


def _check_answer(reader: CaseReader, path: str, entry: Entry) -> None:
    """`value` and `tolerance`: equality of words and truths, numbers and lists of numbers within a tolerance."""
    if "value" not in entry or "tolerance" not in entry:
        reader.refuse(path, "an object with value and tolerance")
        return
    if entry["tolerance"] is None:
        return
    tolerance = reader.read_number(f"{path}.tolerance", entry["tolerance"])
    if tolerance is not None and tolerance < 0:
        reader.refuse(f"{path}.tolerance", "at least 0, or null")
    for number in _flatten(entry["value"]):
        reader.read_number(f"{path}.value", number)


def _check_counts(reader: CaseReader, path: str, raw: object, longest: int) -> None:
    """A list of counts, or of lists of up to `longest` counts."""
    for part in reader.read_list(path, raw, longest=100) or ():
        for count in (reader.read_list(path, part, longest=longest) or ()) if longest else (part,):
            reader.read_integer(path, count)


def verify_case(case: Case) -> tuple[Row, ...]:
    """Compute one case that `read_cases` let through, and compare all its expected values."""
    entries = case["expected"]
    try:
        compute, objection = _prepare(case)
        answers = [_attempt(compute, entry) for entry in entries]
    except GridError as error:
        answers, objection = [(None, str(error))] * len(entries), ""
    plain = _error_over_plain(case, answers)
    return tuple(_row(case, entry, *answer, plain, objection) for entry, answer in zip(entries, answers, strict=True))


def fail_case(case: Case, message: str) -> tuple[Row, ...]:
    """The rows of a case of which nothing was computed."""
    return tuple(_row(case, entry, None, message, None, "") for entry in case["expected"])


def _prepare(case: Case) -> tuple[Compute, str]:
    """Prepare the computation of the entries of a case, and the reason for which its run is to be rejected, if any.

    Raises:
        UnsupportedError: The kind or a feature is not in this version.
        GridError: The case is not valid, or the mathematics refuses.
    """
    if case["kind"] in SOLVERS:
        return import_module(SOLVERS[case["kind"]]).prepare_case(case), ""
    if case["kind"] not in KINDS:
        raise UnsupportedError(OTHER_KINDS[case["kind"]])
    ladder = _solve(HeatProblem.from_case(case), asked_times(case) or None, case["expected"])
    failed = [audit.name for audit in ladder.solution.audits if audit.verdict == "failed"]
    objection = f"rejected by {', '.join(failed)}" if failed else ""
    return lambda entry: _extrapolate(ladder, entry), objection


def _solve(problem: HeatProblem, times: tuple[float, ...] | None, entries: Sequence[Entry]) -> Ladder[Solution]:
    """The run on the grid of a case, with those on coarser ones where its field is smooth enough to extrapolate.

    On a large grid the tolerance of time is first that of a usual run, and a finer one only where its share of the span
    of temperatures is not small beside what the expected temperatures allow.
    """
    if problem.has_phase_change or find_model(problem, None) != "diffusive":
        solution = solve(problem, times=times)
        return Ladder(solution, (solution,))
    tolerance = None if problem.steady else FINE_TOLERANCE
    least = _least_allowed(entries)
    if tolerance is not None and problem.domain.cell_count > LARGE_GRID and least is not None:
        ladder = solve_on_ladder(problem, levels=3, may_refine=False, times=times, tolerance=LARGE_TOLERANCE)
        history = ladder.solution.history
        span = float(history.maximum.max() - history.minimum.min())
        if LARGE_TOLERANCE * span <= TIME_SHARE * least:
            return ladder
        tolerance = max(FINE_TOLERANCE, TIME_SHARE * least / span)
    return solve_on_ladder(problem, levels=3, may_refine=False, times=times, tolerance=tolerance)


def _least_allowed(entries: Sequence[Entry]) -> float | None:
    """The least tolerance of expected temperatures; None where something else is expected."""
    allowed = [entry["tolerance"] for entry in entries if entry["quantity"] in TEMPERATURES]
    return min(map(float, allowed)) if len(allowed) == len(entries) and None not in allowed else None


def _extrapolate(ladder: Ladder[Solution], entry: Entry) -> Any:
    """The value of an entry, extrapolated to small cells if it is one of place that all grids agree on."""
    if entry.get("quantity") not in EXTRAPOLATED:
        return compute_quantity(ladder.solution, entry)
    return ladder.extrapolate(lambda solution: float(compute_quantity(solution, entry))).value


def _attempt(compute: Compute, entry: Entry) -> tuple[Any, str]:
    try:
        return compute(entry), ""
    except GridError as error:
        return None, str(error)


def _row(case: Case, entry: Entry, value: Any, failure: str, plain: float | None, objection: str) -> Row:
    verdict = Comparison(False, None, failure) if failure else compare(value, entry)
    return Row(
        case["id"], case["kind"], entry["quantity"], entry.get("at"), entry.get("time"), value, entry["value"],
        verdict.error_over_tolerance, plain, verdict.passed and not objection, verdict.message or objection,
    )  # fmt: skip


def compare(value: Any, entry: Entry) -> Comparison:
    """Compare a computed value with an entry: a word or a truth by equality, numbers and lists by its tolerance."""
    expected, tolerance = entry["value"], entry["tolerance"]
    if tolerance is None:
        passed = type(value) is type(expected) and value == expected
        return Comparison(passed, None, "" if passed else "not equal")
    computed, wanted = list(_flatten(value)), list(_flatten(expected))
    if _shape(value) != _shape(expected) or not all(_is_number(number) for number in computed):
        return Comparison(False, None, f"not {len(wanted)} finite numbers")
    how = entry.get("compare", "within")
    error = max((_excess(how, a, b) for a, b in zip(computed, wanted, strict=True)), default=0.0)
    passed = error <= tolerance
    share = error / tolerance if tolerance > 0 else (0.0 if passed else None)
    return Comparison(passed, share, "" if passed else f"off by {error:.3g}, {tolerance:.3g} allowed ({how})")


def _excess(how: str, computed: float, expected: float) -> float:
    """Distance of a number on the wrong side of the expected one."""
    if how == "within":
        return abs(computed - expected)
    return max(0.0, expected - computed if how == "at_least" else computed - expected)


def _error_over_plain(case: Case, answers: Iterable[tuple[Any, str]]) -> float | None:
    """Largest error over the temperatures of a case, in `plain_second_order_error`; None without either."""
    resolution = case.get("resolution")
    plain = resolution.get("plain_second_order_error") if isinstance(resolution, Mapping) else None
    pairs = zip(case["expected"], answers, strict=True)
    errors = [
        abs(value - entry["value"])
        for entry, (value, _) in pairs
        if entry["quantity"] == "temperature" and _is_number(value) and _is_number(entry["value"])
    ]
    return max(errors) / plain if errors and plain is not None and plain > 0 else None


def _flatten(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _flatten(part)
    else:
        yield value


def _shape(value: Any) -> Any:
    return [_shape(part) for part in value] if isinstance(value, (list, tuple)) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
