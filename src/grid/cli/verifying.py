"""`grid verify`: the cases of a file computed and compared with their expected values; no server needed."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, errors, reporting, show, table

if TYPE_CHECKING:
    from rich.table import Table

    from grid.engine.verification.verification import Case, Row

ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MAX_JOBS = 256  # processes: more than machines have cores
SECONDS_TO_END = 5.0  # for a process that was told to
COLUMNS = ("case", "quantity", "at", "time", "value", "expected", "error/tolerance", "error/plain", "verdict")


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(verify)


def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Cases with expected values (docs/case-format.md).")
    ],
    case: Annotated[str | None, typer.Option(help="Only the case with this id.")] = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=MAX_JOBS, help="Compute so many cases at once, each in a process of one thread.")
    ] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Compute the cases of a file and compare every expected value. Exit 1 where any fails, 3 for a file refused.

    A line on stderr tells of each case as it ends; the table, in the order of the file, follows on stdout.
    """
    from dataclasses import asdict

    with reporting():
        rows = verify_file(file, case, jobs)
        show([asdict(row) for row in rows], as_json=as_json, view=lambda: _view(rows))
        if not as_json:
            _explain(rows)
        if not all(row.passed for row in rows):
            raise typer.Exit(code=int(ExitCode.FAILED))


def verify_file(file: Path, case_id: str | None, jobs: int = 1) -> "list[Row]":
    """Return a row for each expected value of a file, in its order, telling on stderr of each case as it ends.

    Raises:
        GridError: The file is not JSON or not of the format, or has no such case.
    """
    from grid.core.strict_json import read_json
    from grid.engine.verification.verification import read_cases

    cases = read_cases(read_json(file.read_bytes()), case_id=case_id)
    found: dict[int, tuple[Row, ...]] = {}
    jobs = min(jobs, len(cases))
    ended = _verify_one_by_one(cases) if jobs == 1 else _verify_in_processes(cases, jobs)
    for index, rows, seconds in ended:
        found[index] = rows
        _tell(f"{len(found)}/{len(cases)} {cases[index]['id']}", rows, seconds)
    return [row for index in range(len(cases)) for row in found[index]]


def _verify_one_by_one(cases: "Sequence[Case]") -> "Iterator[tuple[int, tuple[Row, ...], float]]":
    for index, case in enumerate(cases):
        yield index, *compute_case(case)


def _verify_in_processes(cases: "Sequence[Case]", jobs: int) -> "Iterator[tuple[int, tuple[Row, ...], float]]":
    """Cases as they end. Where this is left early, as by Ctrl-C, the processes are ended as well."""
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    from grid.engine.verification.verification import fail_case

    before, is_whole = set(active_children()), False
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_leave_interrupts_to_the_parent)
    try:
        with _one_thread():  # read by a process when it starts, which all do with the first case
            running = {pool.submit(compute_case, case): index for index, case in enumerate(cases)}
        for future in as_completed(running):
            try:
                rows, seconds = future.result()
            except BrokenProcessPool:  # ended from outside, mostly for want of memory; no other case can go on
                told = "a process ended before its cases did, perhaps for want of memory; use fewer --jobs"
                rows, seconds = fail_case(cases[running[future]], told), 0.0
            yield running[future], rows, seconds
        is_whole = True
    finally:
        children = set(active_children()) - before
        if not is_whole:
            for child in children:
                child.terminate()
            for child in children:
                child.join(SECONDS_TO_END)
        pool.shutdown(wait=is_whole, cancel_futures=True)


def compute_case(case: "Case") -> "tuple[tuple[Row, ...], float]":
    """The rows of a case and the seconds that they took."""
    from grid.engine.verification.verification import verify_case

    start = time.perf_counter()
    return verify_case(case), time.perf_counter() - start


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have processes that start meanwhile compute with one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _leave_interrupts_to_the_parent() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _tell(name: str, rows: "Sequence[Row]", seconds: float) -> None:
    passed = sum(row.passed for row in rows)
    errors().print(f"{name}: {passed} of {len(rows)} values pass, {seconds:.1f} s", markup=False, highlight=False)


def _view(rows: "list[Row]") -> "Table":
    passed = sum(row.passed for row in rows)
    cells = [
        (
            *(row.case, row.quantity, row.at, row.time, row.value, row.expected),
            *(row.error_over_tolerance, row.error_over_plain, "pass" if row.passed else "FAIL"),
        )
        for row in rows
    ]
    cases = len({row.case for row in rows})
    return table(*COLUMNS, rows=cells, title=f"{passed} of {len(rows)} values of {cases} cases pass")


def _explain(rows: "list[Row]") -> None:
    """Say on stderr why values failed, each reason of a case once."""
    for identity, message in dict.fromkeys((row.case, row.message) for row in rows if not row.passed):
        errors().print(f"{identity}: {message}", markup=False)
