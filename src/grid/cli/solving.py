"""`grid solve`: a problem file solved here and now; no server needed.

A rod answers in a fraction of a second, so nothing is loaded that this very command does not need: no settings, no
plugins, no bar where nobody looks.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import JsonFlag, console, errors, fail, print_json, reporting, table

if TYPE_CHECKING:
    from grid.engine import HeatProblem, PlanSummary, Solution
    from grid.engine.progress import OnProgress, Progress

FIELDS = 20  # equal intervals at whose ends a field is kept, where the file can hold several
SINGLE = ("", ".vti")  # no file, and the format that holds one field
BALANCE = {
    "stored": "stored_heat_change",
    "in": "heat_in",
    "out": "heat_out",
    "generated": "heat_generated",
    "residual": "heat_balance_residual",
}


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(solve)


def solve(
    problem: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="A problem in the case format (docs/case-format.md)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write, its kind by its suffix (.nc .zarr .vti .pvd .npy .csv .png), or a folder for the "
            "files that the service makes; without it the figures alone are printed.",
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="auto, or a method by name, such as explicit or implicit.")] = "auto",
    model: Annotated[
        str | None,
        typer.Option(
            help="diffusive, lumped, corrected, or auto (lumped where certified); default as the problem says."
        ),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Time error over the span of temperatures that the steps are chosen for.")
    ] = None,
    fields: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Equal intervals at whose ends the field is kept; 1000 at most in a folder."
        ),
    ] = None,
    richardson: Annotated[
        bool, typer.Option("--richardson", help="Solve on half the cells too, and print the space error.")
    ] = False,
    case: Annotated[str | None, typer.Option(help="Of a file of cases, the one with this id.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="A live scenario (`grid scenarios list`), in place of a problem.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="Of a scenario: name=value; may be given again.")
    ] = None,
    cells: Annotated[str | None, typer.Option(help="Of a scenario: cells along each axis, such as 128x128.")] = None,
    until_s: Annotated[
        float | None, typer.Option("--until-s", help="Of a scenario: simulated time of its end, seconds.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Solve a heat problem, or a live scenario, here and now. Exit 3 where it is refused, 8 where it is rejected."""
    with reporting():
        if problem is None or scenario is not None:
            _require_scenario(problem, scenario, tolerance=tolerance, fields=fields, case=case, richardson=richardson)
            from grid.cli.live_solving import solve_scenario

            solve_scenario(scenario or "", param, cells, until_s, out, method, model, as_json=as_json)
            return
        _require_no_scenario(param=param, cells=cells, until_s=until_s)
        content = read_problem_file(problem, case)
        if out is not None and not out.suffix:
            _require_no_ladder(richardson)
            document = solve_into_folder(content, out, method, model, tolerance=tolerance, fields=fields)
        else:
            document = solve_file(content, out, method, tolerance, fields, model, richardson=richardson)
        for warning in document["warnings"]:
            errors().print(f"warning: {warning}", markup=False, soft_wrap=True)
        print_json(document) if as_json else _print(document)


def _require_scenario(problem: Path | None, scenario: str | None, **others: object) -> None:
    from grid.core.errors import FieldError

    if scenario is None:
        raise FieldError("problem", "a file, or --scenario the name of one")
    if problem is not None:
        raise FieldError("--scenario", "goes without a problem")
    for name, value in others.items():
        if value not in (None, False):
            raise FieldError(f"--{name}", "goes without --scenario")


def _require_no_scenario(**options: object) -> None:
    from grid.core.errors import FieldError

    for name, value in options.items():
        if value:
            raise FieldError(f"--{name.replace('_', '-')}", "only with --scenario")


def read_problem_file(file: Path, case: str | None) -> dict[str, Any]:
    """Return the problem in a file, which may be a whole file of cases.

    Raises:
        GridError: Not JSON, or no case of that name.
    """
    from grid.core.errors import FieldError
    from grid.core.strict_json import read_json

    content = read_json(file.read_bytes())
    if isinstance(content, dict) and "cases" in content:
        from grid.engine.verification.verification import read_cases

        if case is None:
            raise FieldError("case", "required for a file of cases: name one by --case")
        return dict(read_cases(content, case_id=case)[0])
    if case is not None:
        raise FieldError("case", "only for a file of cases")
    return content  # type: ignore[no-any-return]  # whatever it is, the engine's reader says so


def solve_file(
    content: dict[str, Any],
    out: Path | None,
    method: str,
    tolerance: float | None,
    fields: int | None,
    model: str | None = None,
    *,
    richardson: bool = False,
) -> dict[str, Any]:
    """Solve a problem, write one file if one is asked for, and return what a caller wants to know at once.

    Raises:
        GridError: A field, the mathematics or the file; nothing is written then.
    """
    from grid.core.errors import NumericsError
    from grid.engine import HeatProblem, prepare
    from grid.engine import solve as solve_problem

    if out is not None:
        from grid.engine.results.writing import require_writable

        require_writable(out)
    _require_heat(content)
    heat = HeatProblem.from_case(content)
    count = fields or (1 if out is None or out.suffix.lower() in SINGLE else FIELDS)
    times = _equal_times(heat, count)
    try:
        with _progress() as show, _quiet():
            if richardson:
                solution = solve_problem(
                    heat, method=method, times=times, tolerance=tolerance, model=model, richardson=True, progress=show
                )
            else:
                plan = prepare(heat, method=method, times=times, tolerance=tolerance, model=model)
                solution = plan.solve(progress=show)
    except NumericsError as error:
        fail(f"{error.title}: {error}", ExitCode.UNSUCCESSFUL)
    failed = [audit for audit in solution.audits if audit.verdict == "failed"]
    if failed:
        audit = failed[0]
        fail(
            f"The audit {audit.name} failed: {audit.detail}: {audit.value}, limit {audit.limit}.",
            ExitCode.UNSUCCESSFUL,
        )
    files = [] if out is None else [str(solution.write(out))]
    return _describe(solution, files)


def _require_no_ladder(richardson: bool) -> None:
    from grid.core.errors import FieldError

    if richardson:
        raise FieldError("richardson", "only without a folder, whose files hold one grid")


def _require_none(**options: float | None) -> None:
    from grid.core.errors import FieldError

    for name, value in options.items():
        if value is not None:
            raise FieldError(name, "only for a problem in time, where the files go to a folder")


def _require_heat(content: object) -> None:
    """Say what answers a case without a grid, before the reader says that there is none."""
    from grid.core.errors import FieldError
    from grid.engine.problem.case import KINDS, OTHER_KINDS

    kind = content.get("kind") if isinstance(content, dict) else None
    if isinstance(kind, str) and kind in OTHER_KINDS and kind not in KINDS:
        raise FieldError(
            "kind", f"one of {', '.join(KINDS)}; `grid verify` computes what is expected of a case of others"
        )


def _equal_times(problem: "HeatProblem", count: int) -> list[float] | None:
    """The ends of so many equal intervals; None for a steady state."""
    if problem.steady or problem.end_time is None:
        return None
    return [problem.end_time * index / count for index in range(1, count)] + [problem.end_time]


def _describe(solution: "Solution", files: list[str]) -> dict[str, Any]:
    from grid.engine.results.views import surface_metrics

    return {
        "plan": _describe_plan(solution.plan),
        "metrics": {**solution.metrics, **_finite(surface_metrics(solution))},
        "heat_balance": {
            **{name: solution.metrics[metric] for name, metric in BALANCE.items()},
            "unit": ("W" if solution.problem.steady else "J") + ("/m2", "/m", "")[solution.problem.dimension - 1],
        },
        "audits": [audit._asdict() for audit in solution.audits],
        "warnings": list(solution.warnings),
        "files": files,
    }


def _finite(figures: "Mapping[str, float]") -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _describe_plan(plan: "PlanSummary") -> dict[str, Any]:
    return {
        "method": plan.method,
        "model": plan.model,
        "reason": plan.reason,
        "time_step_s": plan.time_step,
        "estimated_steps": plan.estimate.steps,
        "estimated_s": plan.estimate.work_s,
        "estimated_bytes": plan.estimate.memory_bytes,
        "calibration": plan.calibration,
    }


def _print(document: dict[str, Any]) -> None:
    """Print plan, figures, heat balance, verdicts and files for people."""
    out = console()
    if plan := document.get("plan"):
        out.print(f"plan: {plan['method']} ({plan['reason']})", markup=False)
    balance = document.get("heat_balance", {})
    rows = [(name, value) for name, value in document["metrics"].items() if name not in BALANCE.values() or not balance]
    rows += [(f"heat {name} [{balance['unit']}]", balance[name]) for name in BALANCE if balance]
    rows += [(f"audit {audit['name']}", audit["verdict"]) for audit in document["audits"]]
    rows += [("file", name) for name in document["files"]]
    out.print(table("what", "value", rows=rows))


def solve_into_folder(
    content: dict[str, Any],
    out: Path,
    method: str,
    model: str | None = None,
    *,
    tolerance: float | None = None,
    fields: int | None = None,
) -> dict[str, Any]:
    """Solve a problem as the service does and write the files that it makes.

    Raises:
        GridError: A field, the mathematics; nothing is written then.
    """
    from time import process_time

    from grid.engine.progress import Progress
    from grid.plugins.builtin.heat_files import read_warnings
    from grid.plugins.builtin.heat_problem import read_problem
    from grid.plugins.registry import load_registry
    from grid.schemas.jobs import Reason
    from grid.services.admission import validate_points

    simulation = load_registry().get("heat")
    options = {"method": method, "model": model, "tolerance": tolerance, "outputs": fields}
    point = {"problem": content, **{name: value for name, value in options.items() if value is not None}}
    with _named_as_typed():
        [params], _ = validate_points(simulation.params_model, [point], root="params")
    if read_problem(params).steady:  # the service solves steady states to rounding
        _require_none(tolerance=tolerance, fields=fields)
    simulation.estimate(params)  # refuses what the engine cannot do before anything is allocated
    with _progress() as show, _quiet():

        def told(fraction: float) -> frozenset[int]:
            if show is not None:
                show(Progress(fraction, 0.0, 0, process_time() - begun, 0.0, method))
            return frozenset()  # no point is left out

        begun = process_time()
        result = simulation.solve([params], told)
    outcome = result.outcomes[0]
    if outcome.reason is not Reason.OK:
        fail(outcome.message or outcome.reason.sentence, ExitCode.UNSUCCESSFUL)
    out.mkdir(parents=True, exist_ok=True)
    simulation.render(simulation.files, params, result.records[0], out)
    return {
        "metrics": dict(outcome.metrics),
        "audits": list(outcome.audits),
        "warnings": read_warnings(result.records[0]),
        "files": [str(out / name) for name in simulation.files],
    }


@contextmanager
def _named_as_typed() -> Iterator[None]:
    """Name parameters of the simulation in errors as the options that the user typed."""
    from grid.core.errors import FieldError, InvalidFieldsError

    try:
        yield
    except InvalidFieldsError as error:
        names = [one.field.removeprefix("params.") for one in error.errors]
        typed = ["fields" if name == "outputs" else name for name in names]
        limits = [one.limit for one in error.errors]
        raise InvalidFieldsError(tuple(map(FieldError, typed, limits))) from error


@contextmanager
def _progress() -> "Iterator[OnProgress | None]":
    """Lend the callback that moves a bar on stderr; None without a terminal, where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    from grid.engine.run.progress_bar import format_seconds

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[told]}"),
    )
    with Bars(*columns, console=errors(), transient=True) as bars:
        bar = bars.add_task("solving", total=1.0, told="")

        def show(progress: "Progress") -> None:
            told = format_seconds(progress.elapsed)
            if progress.remaining > 0.0:
                told += f", about {format_seconds(progress.remaining)} left"
            bars.update(bar, completed=progress.fraction, description=progress.method, told=told)

        yield show


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave warnings of slow runs to the document, which names each of them once."""
    import warnings

    from grid.engine.progress import SlowRunWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowRunWarning)
        yield
