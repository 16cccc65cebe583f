"""`grid verify`: the cases of a file computed and compared with their expected values; no server needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, errors, reporting, show, table

if TYPE_CHECKING:
    from rich.table import Table

    from grid.engine.verification import Row

COLUMNS = ("case", "quantity", "at", "time", "value", "expected", "error/tolerance", "error/plain", "verdict")


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(verify)


def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Cases with expected values (docs/case-format.md).")
    ],
    case: Annotated[str | None, typer.Option(help="Only the case with this id.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compute the cases of a file and compare every expected value. Exit 1 where any fails, 3 for a file refused."""
    from dataclasses import asdict

    with reporting():
        rows = verify_file(file, case)
        show([asdict(row) for row in rows], as_json=as_json, view=lambda: _view(rows))
        if not as_json:
            _explain(rows)
        if not all(row.passed for row in rows):
            raise typer.Exit(code=int(ExitCode.FAILED))


def verify_file(file: Path, case_id: str | None) -> "list[Row]":
    """Return a row for each expected value of a file, showing on stderr where it is.

    Raises:
        GridError: The file is not JSON or not of the format, or has no such case.
    """
    from rich.progress import track

    from grid.cli.solving import keep_kernels
    from grid.core.strict_json import read_json
    from grid.engine.verification import read_cases, verify_case

    cases = read_cases(read_json(file.read_bytes()), case_id=case_id)
    keep_kernels()
    told = track(cases, description="verifying", console=errors(), transient=True)
    return [row for case in told for row in verify_case(case)]


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
