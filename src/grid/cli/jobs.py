"""`grid jobs`: submit, list, show, logs, watch, cancel, result, fields, attempts, diff, stats."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.exit_codes import ExitCode
from grid.cli.job_views import print_attempts, print_difference, print_price
from grid.cli.output import JsonFlag, console, errors, label_text, list_title, place_query, print_json, show, table

if TYPE_CHECKING:
    from grid.client.calls import Filters, JobFilters, Submission
    from grid.client.client import GridClient
    from grid.client.fields import FrameQuery
    from grid.schemas.wire import JobOut, JobPage, JobSummaryOut, JobSummaryPage

app = typer.Typer(name="jobs", no_args_is_help=True, help="Submit jobs and fetch their results.")

JobId = Annotated[UUID, typer.Argument(help="The job's id.")]
SimOption = Annotated[str | None, typer.Option("--sim", "-s", help="A built-in simulation; see `grid sims list`.")]
ImageOption = Annotated[str | None, typer.Option("--image", help="A container image on the administrator's list.")]
ParamOption = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value; may be given again.")]
FileOption = Annotated[
    Path | None, typer.Option("--params-file", exists=True, dir_okay=False, help="A JSON object of parameters.")
]
PageOption = Annotated[int | None, typer.Option(min=1, help="A page by its number; default the first.")]
FromOption = Annotated[
    str | None, typer.Option("--created-from", help="Made at this time or later, as 2026-01-31T08:00.")
]
ToOption = Annotated[str | None, typer.Option("--created-to", help="Made before this time.")]
SearchOption = Annotated[
    str | None, typer.Option("--search", "-q", help="The beginning of an id, or the value of a label under any key.")
]
MetaOption = Annotated[list[str] | None, typer.Option("--meta", help="name=text, to find the job by; repeatable.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", help="Names this submission: sent again with it, it is the same job or sweep.")
]

StatusOption = Annotated[
    list[str] | None, typer.Option(help="queued, running, success, failed, ...; may be given again.")
]
ReasonOption = Annotated[list[str] | None, typer.Option(help="diverged, oom, wall_timeout, ...; may be given again.")]
VerdictOption = Annotated[
    list[str] | None, typer.Option(help="Of the audits: passed, failed, not_applicable; may be given again.")
]
DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Say what it costs and what would be refused (exit 3); store nothing.")
]


@app.command()
def submit(
    sim: SimOption = None,
    image: ImageOption = None,
    param: ParamOption = None,
    params_file: FileOption = None,
    meta: MetaOption = None,
    retries: Annotated[int | None, typer.Option(min=0, max=10, help="Tries again after a failing exit.")] = None,
    timeout_s: Annotated[float | None, typer.Option("--timeout", min=1, help="Longest run, seconds.")] = None,
    key: KeyOption = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end; exit 8 unless it is success.")] = False,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Submit one job and print its id."""
    with connected() as client:
        from grid.cli.parameters import read_labels, read_params

        submission: Submission = {
            "simulation": sim,
            "image": image,
            "params": read_params(param or [], params_file, find_schema(client, sim, param)),
            "metadata": read_labels(meta or []) or None,
            "retries": retries,
            "timeout_s": timeout_s,
        }
        if dry_run:
            raise typer.Exit(code=int(print_price(client, as_json=as_json, **submission)))
        if key is not None:
            submission["idempotency_key"] = key
        answer = client.submit(**submission)
        if wait:
            _finish(follow(client, answer.jobs[0]), as_json=as_json)
        elif as_json:
            print_json(answer.model_dump(mode="json"))
        else:
            console().print(
                f"Job [bold]{answer.jobs[0]}[/] is queued. Follow it with: grid jobs watch {answer.jobs[0]}"
            )


@app.command("list")
def list_jobs(
    page: PageOption = None,
    size: Annotated[int | None, typer.Option(min=1, max=200, help="Rows of a page; default 20.")] = None,
    after: Annotated[UUID | None, typer.Option(help="Only jobs behind this one: `next` of a list.")] = None,
    status: StatusOption = None,
    reason: ReasonOption = None,
    verdict: VerdictOption = None,
    sim: SimOption = None,
    sweep: Annotated[UUID | None, typer.Option(help="Only the points of this sweep.")] = None,
    meta: MetaOption = None,
    created_from: FromOption = None,
    created_to: ToOption = None,
    search: SearchOption = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="With --json: short rows, without parameters, results and limits.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List jobs, newest first."""
    with connected() as client:
        from grid.client import calls

        place = place_query(page, size, after, default_size=20)
        common = read_filters(sim, meta, created_from, created_to, search)
        filters: JobFilters = {**common, "status": status, "reason": reason, "verdict": verdict, "sweep": sweep}
        found: JobPage | JobSummaryPage
        if as_json and not summary:
            found = client.send(calls.list_jobs(**place, **filters))
        else:
            found = client.send(calls.list_job_summaries(**place, **filters))
        show(
            found.model_dump(mode="json"),
            as_json=as_json,
            view=lambda: table(
                "id",
                "status",
                "simulation",
                "created",
                "run, s",
                rows=[
                    (j.id, j.status, j.simulation or j.container_image, _clock(j.created_at), _run_time(j))
                    for j in found.items
                ],
                title=list_title("jobs", found),
            ),
        )


@app.command("show")
def show_job(job_id: JobId, as_json: JsonFlag = False) -> None:
    """Show one job: state, parameters, metrics, audits."""
    with connected() as client:
        job = client.get_job(job_id)
        show(job.model_dump(mode="json"), as_json=as_json, view=lambda: _job_table(job))


@app.command()
def logs(
    job_id: JobId,
    follow_log: Annotated[bool, typer.Option("--follow", "-f", help="Print lines as they come.")] = False,
    tail: Annotated[int | None, typer.Option(min=1, max=10_000, help="Only the last lines.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print a job's log."""
    with connected() as client:
        if follow_log and not as_json:
            for event in client.stream_logs(job_id):
                if event.kind == "log":
                    _write_log_event(event.data)
            return
        from grid.client import calls

        text = client.send(calls.job_logs(job_id, tail=tail))
        if as_json:
            print_json({"id": str(job_id), "lines": text.splitlines()})
        else:
            sys.stdout.write(text if not text or text.endswith("\n") else text + "\n")


@app.command()
def watch(job_id: JobId, as_json: JsonFlag = False) -> None:
    """Wait for a job with a progress bar; exit 8 unless it ends with success. Ctrl-C leaves the job running."""
    with connected() as client:
        _finish(follow(client, job_id), as_json=as_json)


@app.command()
def cancel(job_id: JobId, as_json: JsonFlag = False) -> None:
    """Cancel a job: it stops for real. Exit 5 where it has ended already."""
    with connected() as client:
        from grid.client import calls

        job = client.send(calls.cancel_job(job_id))
        show(job.model_dump(mode="json"), as_json=as_json, view=lambda: f"Job {job.id} is {job.status}.")


@app.command()
def purge(
    job_ids: Annotated[list[UUID], typer.Argument(help="Jobs that have ended.")], as_json: JsonFlag = False
) -> None:
    """Remove jobs that have ended, with their logs and files, for ever. Exit 5 where one has not ended."""
    with connected() as client:
        from grid.client import calls

        for job_id in job_ids:
            client.send(calls.purge_job(job_id))
        count = len(job_ids)
        show({"purged": [str(one) for one in job_ids]}, as_json=as_json, view=lambda: f"{count} removed.")


@app.command()
def result(
    job_id: JobId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default <id>.zip.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Download the zip of a job's files."""
    with connected() as client:
        path = client.download_result(job_id, out or Path(f"{job_id}.zip"))
        document = {"id": str(job_id), "file": str(path), "bytes": path.stat().st_size}
        show(document, as_json=as_json, view=lambda: f"{path} ({document['bytes']} bytes)")


@app.command()
def fields(
    job_id: JobId,
    name: Annotated[str | None, typer.Argument(help="A field; without it, all are listed.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the array, as NumPy reads it.")] = None,
    time: Annotated[str, typer.Option(help="last, all, or a place in the list of times.")] = "last",
    axis: Annotated[str | None, typer.Option(help="Only the plane normal to x, y or z.")] = None,
    index: Annotated[int | None, typer.Option(min=0, help="Place of the plane; default the middle.")] = None,
    max_cells: Annotated[int | None, typer.Option(min=1, help="Reduce to so many values by means; 262,144.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the fields of a job's result, or read one: from what is stored, without solving again."""
    from grid.cli.job_fields import list_fields, read_field

    with connected() as client:
        if name is None:
            list_fields(client, job_id, as_json=as_json)
        else:
            query: FrameQuery = {"time": time, "axis": axis, "index": index, "max_cells": max_cells}
            read_field(client, job_id, name, query, out, as_json=as_json)


@app.command()
def attempts(job_id: JobId, as_json: JsonFlag = False) -> None:
    """List the runs of a job: who ran it, when, and what came of it."""
    with connected() as client:
        print_attempts(client, job_id, as_json=as_json)


@app.command()
def diff(
    job_id: JobId,
    other_id: Annotated[UUID, typer.Argument(help="The job that is compared with it.")],
    field: Annotated[str | None, typer.Option(help="A field of both results, as temperature.")] = None,
    time: Annotated[str | None, typer.Option(help="last, or a place in the list of the first job's times.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare two jobs: inputs that differ, metrics of both, and the difference of a field, second less first."""
    with connected() as client:
        print_difference(client, job_id, other_id, field, time, as_json=as_json)


@app.command()
def stats(as_json: JsonFlag = False) -> None:
    """Count jobs by status, and say how long they wait and run."""
    with connected() as client:
        from grid.client import calls

        document = client.send(calls.job_stats()).model_dump(mode="json")
        show(document, as_json=as_json, view=lambda: table("what", "value", rows=_flatten(document)))


def read_filters(
    sim: str | None, meta: list[str] | None, created_from: str | None, created_to: str | None, search: str | None
) -> "Filters":
    """Return the conditions that lists of jobs and of sweeps share."""
    from grid.cli.parameters import read_labels, read_moment

    return {
        "simulation": sim,
        "metadata": read_labels(meta or []),
        "created_from": read_moment(created_from, "--created-from"),
        "created_to": read_moment(created_to, "--created-to"),
        "q": search,
    }


def find_schema(client: "GridClient", sim: str | None, typed: list[str] | None) -> dict[str, Any] | None:
    """Return the parameter schema of a simulation, where something was typed that it can explain."""
    if sim is None or not typed:
        return None
    from grid.client import calls

    return client.send(calls.get_simulation(sim)).parameters


def follow(client: "GridClient", job_id: UUID | str) -> "JobOut":
    """Wait for a job, with a progress bar on stderr."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors(), transient=True) as progress:
        bar = progress.add_task("queued", total=1.0)
        return client.wait(
            job_id,
            require_successful=False,
            on_change=lambda job: progress.update(bar, description=str(job.status), completed=job.progress),
        )


def _finish(job: "JobOut", *, as_json: bool) -> None:
    show(job.model_dump(mode="json"), as_json=as_json, view=lambda: _job_table(job))
    if job.status != "success":
        raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


def _job_table(job: "JobOut") -> Any:
    rows: list[tuple[str, object]] = [
        ("id", job.id),
        ("status", job.status),
        ("why", job.message),
        ("simulation", job.simulation or job.container_image),
        ("created", _clock(job.created_at)),
        ("run, s", _run_time(job)),
        ("attempts", job.attempts),
    ]
    rows += [(f"metadata.{key}", label_text(value)) for key, value in job.metadata.items()]
    rows += [(f"params.{name}", _describe_param(name, value)) for name, value in (job.params or {}).items()]
    rows += [(f"metrics.{name}", value) for name, value in (job.metrics or {}).items()]
    rows += [(f"audit {audit.name}", audit.verdict) for audit in job.audits or []]
    return table("what", "value", rows=[row for row in rows if row[1] is not None])


def _describe_param(name: str, value: object) -> object:
    """Return a parameter as a table shows it: of the log of a run its size, and where it is as a file."""
    if name != "log" or not isinstance(value, dict) or "header" not in value:
        return value
    size, run = len(json.dumps(value)), value["header"].get("run")
    of_run = f"; as a file: /api/v1/engine/runs/{run}/commands?format=ndjson" if run else ""
    return f"{len(value.get('commands', ()))} commands, {size:,} bytes{of_run}"


def _flatten(document: Any, prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in document.items():
        rows += _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


def _write_log_event(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def _clock(moment: Any) -> str | None:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else None


def _run_time(job: "JobOut | JobSummaryOut") -> float | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return float((job.finished_at - job.started_at).total_seconds())
