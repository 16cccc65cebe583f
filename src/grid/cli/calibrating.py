"""`grid calibrate`: measure how fast this machine is, for choosing methods and for estimates; no server needed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, console, fail, print_json, reporting, table

if TYPE_CHECKING:
    from grid.engine.costs.calibration import Calibration


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(calibrate)


def calibrate(
    show: Annotated[bool, typer.Option("--show", help="Print what is used now, and measure nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Time small kernels for at most 2 s and keep how much slower or faster they are than in Grid's cost model."""
    with reporting():
        document = read_calibration() if show else make_calibration()
        print_json(document) if as_json else _print(document)


def read_calibration() -> dict[str, Any]:
    """Return the calibration that plans are made with here."""
    from grid.engine.costs.calibration import current, find_file, find_folder

    folder = find_folder()
    return _describe(current(), None if folder is None else str(find_file(folder)))


def make_calibration() -> dict[str, Any]:
    """Measure this machine, keep the result for the next plans, and return it."""
    from grid.engine.costs.calibration import find_folder, measure, save

    folder = find_folder()
    if folder is None:
        fail("GRID_CALIBRATION is off, so nothing is kept; unset it, or set it to a folder.", ExitCode.UNSUCCESSFUL)
    calibration = measure()
    return _describe(calibration, str(save(calibration, folder)))


def _describe(calibration: "Calibration", file: str | None) -> dict[str, Any]:
    from grid.engine.costs.calibration import GROUPS

    factors = {name: round(calibration.factor(name), 4) for name in GROUPS}
    return {"processor": calibration.processor, "factors": factors, "file": file}


def _print(document: dict[str, Any]) -> None:
    rows = [("processor", document["processor"]), ("file", document["file"] or "none: GRID_CALIBRATION is off")]
    rows += [(f"{name} operations", f"{factor:.2f} x") for name, factor in document["factors"].items()]
    console().print(table("what", "value", rows=rows))
