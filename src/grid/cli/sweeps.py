"""`grid sweeps`: submit, show, table, cancel, rerun."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.exit_codes import ExitCode
from grid.cli.job_views import print_price
from grid.cli.jobs import (
    DryRunFlag,
    FileOption,
    FromOption,
    ImageOption,
    KeyOption,
    MetaOption,
    PageOption,
    ParamOption,
    ReasonOption,
    SearchOption,
    SimOption,
    StatusOption,
    ToOption,
    VerdictOption,
    find_schema,
    read_filters,
)
from grid.cli.output import JsonFlag, console, errors, list_title, place_query, print_json, show, table
from grid.schemas.paths import flatten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grid.client.calls import Submission, SweepFilters
    from grid.client.client import GridClient
    from grid.schemas.wire import SweepOut, SweepRow, SweepTable

UNSUCCESSFUL = ("failed", "timed_out", "cancelled", "expired")
FAILED_SHOWN = 20  # points: a screenful
MOST_METRICS = 6  # columns of a table on a terminal; `--json` and CSV have all

app = typer.Typer(name="sweeps", no_args_is_help=True, help="Many points at once, and their table.")

SweepId = Annotated[UUID, typer.Argument(help="The sweep's id.")]


@app.command()
def submit(
    axes: Annotated[
        list[str], typer.Option("--sweep", help='"name=start:stop:count", "name=a,b,c", or start:stop:count:log.')
    ],
    sim: SimOption = None,
    image: ImageOption = None,
    param: ParamOption = None,
    params_file: FileOption = None,
    meta: MetaOption = None,
    retries: Annotated[int | None, typer.Option(min=0, max=10, help="Tries again after a failing exit.")] = None,
    key: KeyOption = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end; exit 8 unless all succeed.")] = False,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Submit every combination of the `--sweep` axes, and print the sweep's id.

    A dotted name goes into a nested problem: `--sweep "problem.material.conductivity=10:50:5"`.
    """
    with connected() as client:
        from grid.cli.parameters import expand_sweep, read_labels, read_params

        schema = find_schema(client, sim, axes)
        points, common = expand_sweep(axes, schema), read_params(param or [], params_file, schema)
        metadata = read_labels(meta or []) or None
        submission: Submission = {
            "simulation": sim, "image": image, "params": common or None, "sweep": points, "metadata": metadata,
            "retries": retries,
        }  # fmt: skip
        if dry_run:
            raise typer.Exit(code=int(print_price(client, as_json=as_json, **submission)))
        if key is not None:
            submission["idempotency_key"] = key
        answer = client.submit(**submission)
        if answer.sweep is not None and wait:
            sweep = follow(client, answer.sweep)
            failed = list(islice(client.iterate_points(answer.sweep, status=UNSUCCESSFUL), FAILED_SHOWN))
            document = {**sweep.model_dump(mode="json"), "failed": [row.model_dump(mode="json") for row in failed]}
            show(document, as_json=as_json, view=lambda: _summary(sweep))
            if failed and not as_json:
                console().print(rows_view(failed, title=f"Points without a result, {FAILED_SHOWN} at most"))
            if sweep.by_status.get("success", 0) != sweep.points:  # type: ignore[call-overload]
                raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))
        elif as_json:
            print_json(answer.model_dump(mode="json"))
        else:
            console().print(f"Sweep [bold]{answer.sweep}[/] of {len(answer.jobs)} points is queued.")


@app.command("list")
def list_sweeps(
    page: PageOption = None,
    size: Annotated[int | None, typer.Option(min=1, max=200, help="Rows of a page; default 20.")] = None,
    after: Annotated[UUID | None, typer.Option(help="Only sweeps behind this one: `next` of a list.")] = None,
    status: StatusOption = None,
    reason: ReasonOption = None,
    verdict: VerdictOption = None,
    sim: SimOption = None,
    meta: MetaOption = None,
    created_from: FromOption = None,
    created_to: ToOption = None,
    search: SearchOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List sweeps, newest first; by state, reason and verdict of one of their points."""
    with connected() as client:
        from grid.client import calls

        place = place_query(page, size, after, default_size=20)
        common = read_filters(sim, meta, created_from, created_to, search)
        filters: SweepFilters = {**common, "status": status, "reason": reason, "verdict": verdict}
        found = client.send(calls.list_sweeps(**place, **filters))
        rows = [(s.id, s.simulation or s.container_image, s.points, s.progress, s.created_at) for s in found.items]
        show(
            found.model_dump(mode="json"),
            as_json=as_json,
            view=lambda: table(
                "id", "simulation", "points", "progress", "created", rows=rows, title=list_title("sweeps", found)
            ),
        )


@app.command("show")
def show_sweep(sweep_id: SweepId, as_json: JsonFlag = False) -> None:
    """Show how far a sweep is."""
    with connected() as client:
        from grid.client import calls

        sweep = client.send(calls.get_sweep(sweep_id))
        show(sweep.model_dump(mode="json"), as_json=as_json, view=lambda: _summary(sweep))


@app.command("table")
def show_table(
    sweep_id: SweepId,
    page: PageOption = None,
    size: Annotated[int | None, typer.Option(min=1, max=1000, help="Rows of a page; default 50.")] = None,
    after: Annotated[int | None, typer.Option(min=0, help="Only points behind this place.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show parameters, states and metrics of the points."""
    with connected() as client:
        from grid.client import calls

        found = client.send(calls.sweep_table(sweep_id, **place_query(page, size, after, default_size=50)))
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: sweep_view(found))


@app.command()
def cancel(sweep_id: SweepId, as_json: JsonFlag = False) -> None:
    """Cancel what is left of a sweep."""
    with connected() as client:
        from grid.client import calls

        sweep = client.send(calls.cancel_sweep(sweep_id))
        show(sweep.model_dump(mode="json"), as_json=as_json, view=lambda: _summary(sweep))


@app.command()
def rerun(
    sweep_id: SweepId,
    select: Annotated[
        str, typer.Option(help="failed, timed_out, expired, cancelled, or unsuccessful: all of these.")
    ] = "failed",
    as_json: JsonFlag = False,
) -> None:
    """Run the points of a sweep that failed once more, as a new sweep, and print its id."""
    with connected() as client:
        from uuid import uuid4

        from grid.client import job_calls

        sweep = client.send(job_calls.rerun_sweep(sweep_id, select, idempotency_key=str(uuid4())))
        show(
            sweep.model_dump(mode="json"),
            as_json=as_json,
            view=lambda: f"Sweep {sweep.id} of {sweep.points} points is queued.",
        )


def follow(client: "GridClient", sweep_id: UUID) -> "SweepOut":
    """Wait until every point has ended, with a progress bar on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors(), transient=True) as progress:
        bar = progress.add_task("sweep", total=None)
        return client.wait_sweep(
            sweep_id,
            require_successful=False,
            on_change=lambda s: progress.update(bar, total=s.points, completed=round(s.progress * s.points)),
        )


def sweep_view(found: "SweepTable") -> Any:
    """Return the table of a part of the points."""
    return rows_view(found.rows, title=list_title("points", found))


def rows_view(points: "Sequence[SweepRow]", *, title: str) -> Any:
    """Return a table of points: only parameters that differ, then the metrics, and why where one has no result."""
    params = [dict(flatten(row.params)) for row in points]
    names = list(dict.fromkeys(name for own in params for name in own))
    varying = [name for name in names if len({str(own.get(name)) for own in params}) > 1] or names
    metrics = list(dict.fromkeys(name for row in points for name in row.metrics or {}))[:MOST_METRICS]
    rows = [
        [row.index, row.status, *(own.get(n) for n in varying), *((row.metrics or {}).get(n) for n in metrics)]
        for row, own in zip(points, params, strict=True)
    ]
    columns = ["point", "status", *varying, *metrics]
    if any(row.status in UNSUCCESSFUL for row in points):
        columns += ["reason", "why"]
        why = [(row.reason, row.message) if row.status in UNSUCCESSFUL else (None, None) for row in points]
        rows = [[*cells, *words] for cells, words in zip(rows, why, strict=True)]
    return table(*columns, rows=rows, title=title)


def _summary(sweep: "SweepOut") -> Any:
    rows: list[tuple[str, object]] = [("id", sweep.id), ("points", sweep.points), ("progress", sweep.progress)]
    rows += [(str(status), count) for status, count in sweep.by_status.items() if count]
    return table("what", "value", rows=rows)
