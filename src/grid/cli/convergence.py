"""`grid convergence`: how the answers of a case change on finer grids and steps; no server needed."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.output import JsonFlag, errors, format_cell, reporting, show, table

if TYPE_CHECKING:
    from rich.table import Table

    from grid.engine.verification.convergence import Study

COLUMNS = (
    "quantity",
    "where",
    "refined",
    "sizes",
    "values",
    "order",
    "extrapolated",
    "uncertainty",
    "GCI",
    "behaviour",
)


class Refined(StrEnum):
    """Choice of what is refined."""

    SPACE = "space"
    TIME = "time"
    BOTH = "both"


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(convergence)


def convergence(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A problem in the case format, or a file of cases.")
    ],
    case: Annotated[str | None, typer.Option(help="Of a file of cases, the one with this id.")] = None,
    levels: Annotated[int, typer.Option(help="Grids in all, each twice as fine as the one before.")] = 3,
    refine: Annotated[Refined | None, typer.Option(help="Default: space, and time unless the case is steady.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Refine a case and print observed order, Richardson's value and the grid convergence index (GCI).

    Exit 3 where the case cannot be refined.
    """
    with reporting():
        studies = study_file(file, case, levels, refine)
        show([_describe(study) for study in studies], as_json=as_json, view=lambda: _view(studies))


def study_file(file: Path, case: str | None, levels: int, refine: Refined | None) -> "list[Study]":
    """Return a study for each quantity and direction of the case in a file.

    Raises:
        GridError: The file, the case, or what cannot be refined.
    """
    from grid.cli.solving import read_problem_file
    from grid.engine.problem.reader import CaseReader
    from grid.engine.verification.convergence import study_case

    content = read_problem_file(file, case)
    reader = CaseReader()
    reader.read_mapping("case", content, allowed=tuple(content) if isinstance(content, dict) else ())
    reader.finish()
    directions: Any = {None: None, Refined.BOTH: ("space", "time")}.get(refine, (refine and refine.value,))
    with errors().status("refining"):
        return study_case(content, levels=levels, directions=directions)


def _describe(study: "Study") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(study)


def _view(studies: "list[Study]") -> "Table":
    rows = [
        (
            study.quantity["quantity"],
            _where(study.quantity),
            study.direction,
            ", ".join(map(str, study.sizes)),
            ", ".join(f"{value:.6g}" for value in study.values),
            None if study.observed_order is None else f"{study.observed_order:.2f}",
            study.extrapolated,
            None if study.uncertainty is None else f"{study.uncertainty:.2g}",
            None if study.gci is None else f"{100 * study.gci:.2g} %",
            study.behaviour,
        )
        for study in studies
    ]
    return table(*COLUMNS, rows=rows)


def _where(entry: Mapping[str, Any]) -> str:
    """Place, time and whatever else tells one entry from another."""
    parts: dict[str, Any] = {
        **entry.get("at", {}),
        **{name: v for name, v in entry.items() if name not in ("quantity", "at")},
    }
    return " ".join(f"{name}={format_cell(value)}" for name, value in parts.items())
