"""Live scenarios and logs of live runs, computed here and now: what `grid solve --scenario` and `grid replay` share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import console, errors, fail, print_json, table

if TYPE_CHECKING:
    from grid.plugins.builtin.live.params import LiveParams
    from grid.schemas.simulations import PointOutcome, Simulation

SIMULATION = "live"
FILES = {
    ".csv": "result.csv", ".npy": "temperature.npy", ".png": "simulation_results.png", ".json": "meta.json",
    ".ndjson": "log.ndjson",
}  # fmt: skip
HIDDEN = ("finite",)  # audits that say nothing new to people


@dataclass(frozen=True)
class LiveResult:
    """A point of the simulation `live` that was computed here."""

    simulation: "Simulation"
    params: "LiveParams"
    outcome: "PointOutcome"
    record: Any

    @property
    def is_rejected(self) -> bool:
        """Whether an audit has failed."""
        return any(audit["verdict"] == "failed" for audit in self.outcome.audits)


def require_writable(out: Path | None) -> None:
    """Refuse a file that none of the simulation's would be.

    Raises:
        FieldError: Its suffix is none of `FILES`.
    """
    from grid.core.errors import FieldError

    if out is not None and out.suffix and out.suffix.lower() not in FILES:
        raise FieldError("--out", f"a folder, or a file that ends in {', '.join(FILES)}")


def solve_scenario(
    name: str,
    param: list[str] | None,
    cells: str | None,
    until_s: float | None,
    out: Path | None,
    method: str,
    model: str | None,
    *,
    as_json: bool,
) -> None:
    """Compute a live scenario as a job does, print it, and write files where they are asked for.

    Raises:
        GridError: A field is outside its limits; nothing is written then.
    """
    from grid.cli.parameters import read_params
    from grid.cli.scenarios import read_cells
    from grid.plugins.registry import load_registry

    require_writable(out)
    schema = load_registry().get_scenario(name).params_model.model_json_schema()
    given: dict[str, Any] = {"scenario": name, "params": read_params(param or (), None, schema), "method": method}
    optional = {"cells": None if cells is None else list(read_cells(cells)), "until_s": until_s, "model": model}
    result = compute(given | {key: value for key, value in optional.items() if value is not None}, is_quiet=as_json)
    finish(result, write(result, out), as_json=as_json)


def compute(given: Mapping[str, Any], *, is_quiet: bool) -> LiveResult:
    """Compute a point, with a bar where somebody looks.

    Raises:
        FieldError, InvalidFieldsError, UnsupportedError: It cannot be computed as asked.
    """
    import json
    from typing import cast

    from pydantic import ValidationError
    from rich.progress import Progress

    from grid.core.errors import FieldError, InvalidFieldsError
    from grid.plugins.registry import load_registry

    simulation = load_registry().get(SIMULATION)
    try:
        params = cast("LiveParams", simulation.params_model.model_validate_json(json.dumps(dict(given))))
    except ValidationError as error:
        found = [FieldError(".".join(map(str, one["loc"])) or "params", one["msg"]) for one in error.errors()]
        raise InvalidFieldsError(tuple(found)) from None
    simulation.estimate(params)  # checks all that the model does not know
    with Progress(console=errors(), transient=True, disable=is_quiet or not errors().is_terminal) as progress:
        bar = progress.add_task("computing", total=1.0)

        def tell(fraction: float) -> frozenset[int]:
            progress.update(bar, completed=fraction)
            return frozenset()

        batch = simulation.solve([params], tell)
    (outcome,) = batch.outcomes
    if outcome.reason != "ok":
        fail(outcome.message or outcome.reason.sentence, ExitCode.UNSUCCESSFUL)
    return LiveResult(simulation, params, outcome, batch.records[0])


def write(result: LiveResult, out: Path | None) -> list[str]:
    """Write one file, by its suffix, or all of them into a folder; return their names."""
    import shutil
    import tempfile

    if out is None:
        return []
    if not out.suffix:
        out.mkdir(parents=True, exist_ok=True)
        result.simulation.render(result.simulation.files, result.params, result.record, out)
        return [str(out / name) for name in result.simulation.files]
    name = FILES[out.suffix.lower()]
    with tempfile.TemporaryDirectory(prefix="grid-") as folder:
        result.simulation.render([name], result.params, result.record, Path(folder))
        shutil.move(Path(folder) / name, out)
    return [str(out)]


def finish(result: LiveResult, files: list[str], *, as_json: bool) -> None:
    """Print a result; ends with exit status 8 where an audit has failed."""
    outcome = result.outcome
    if as_json:
        print_json(
            {
                "metrics": dict(outcome.metrics), "field_sha256": outcome.field_sha256,
                "audits": list(outcome.audits), "files": files,
            }
        )  # fmt: skip
    else:
        out = console()
        out.print(outcome.log.rstrip(), markup=False)
        out.print(table("figure", "value", rows=[row for row in outcome.metrics.items() if row[1] is not None]))
        rows = [
            (audit["name"], audit["verdict"], audit["value"], audit["limit"], audit["detail"])
            for audit in outcome.audits
            if audit["name"] not in HIDDEN
        ]
        out.print(table("audit", "verdict", "value", "limit", "of", rows=rows))
        for name in files:
            out.print(f"wrote {name}", markup=False)
    if result.is_rejected:
        raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))
