"""`grid solve`: a problem file in, a folder of results out; no server needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, errors, fail, reporting, show, table

if TYPE_CHECKING:
    from grid.schemas.simulations import PointOutcome


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(solve)


def solve(
    problem: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A problem in the case format (docs/case-format.md).")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder for the results; made if missing.")],
    method: Annotated[str, typer.Option(help="auto, explicit or implicit.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Solve a heat problem here and now. Exit 3 where the problem is refused, 8 where the result is rejected."""
    with reporting():
        document = solve_file(problem, out, method)
        rows = [(f"metrics.{name}", value) for name, value in document["metrics"].items()]
        rows += [(f"audit {audit['name']}", audit["verdict"]) for audit in document["audits"]]
        rows += [("file", name) for name in document["files"]]
        show(document, as_json=as_json, view=lambda: table("what", "value", rows=rows, title=str(out)))


def solve_file(problem: Path, out: Path, method: str) -> dict[str, Any]:
    """Solve the problem in a file and write the results; return what a caller wants to know at once.

    Raises:
        GridError: The file, a field or the mathematics; nothing is written then.
    """
    from grid.core.strict_json import read_json
    from grid.plugins.registry import load_registry
    from grid.services.admission import validate_points

    simulation = load_registry().get("heat")
    content = read_json(problem.read_bytes())
    [params], _ = validate_points(simulation.params_model, [{"problem": content, "method": method}], root="params")
    simulation.estimate(params)  # refuses what the engine cannot do before anything is allocated
    keep_kernels()
    with _progress_bar() as told:
        result = simulation.solve([params], told)
    _require_accepted(result.outcomes[0])
    out.mkdir(parents=True, exist_ok=True)
    simulation.render(simulation.files, params, result.records[0], out)
    outcome = result.outcomes[0]
    return {
        "metrics": dict(outcome.metrics),
        "audits": list(outcome.audits),
        "files": [str(out / name) for name in simulation.files],
    }


def keep_kernels() -> None:
    """Name the folder where Numba keeps compiled kernels: with the service's where there is one, else the user's."""
    import os

    from grid.core.settings import Settings
    from grid.runtime.environment import numba_cache_folder

    home = Settings().grid_home
    if not home.is_dir():
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grid"
    os.environ.setdefault("NUMBA_CACHE_DIR", str(numba_cache_folder(home)))


def _require_accepted(outcome: "PointOutcome") -> None:
    from grid.schemas.jobs import Reason

    if outcome.reason is not Reason.OK:
        fail(outcome.message or outcome.reason.sentence, ExitCode.UNSUCCESSFUL)


class _progress_bar:  # noqa: N801 - used as a context manager, like a function
    """A bar on stderr; the block is lent the callback that moves it."""

    def __enter__(self) -> Any:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("solving"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=errors(), transient=True)
        self._progress.start()
        bar = self._progress.add_task("solving", total=1.0)

        def told(fraction: float) -> frozenset[int]:
            self._progress.update(bar, completed=fraction)
            return frozenset()

        return told

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
