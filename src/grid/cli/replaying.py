"""`grid replay` and `grid branch`: live runs carried out again, and other courses from the same moment."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.live_runs import Run, find_run
from grid.cli.output import JsonFlag, errors, reporting, show, table

if TYPE_CHECKING:
    from grid.client.client import GridClient
    from grid.schemas.wire import JobOut

AUDITS = "replayed_"  # the beginning of the names of what a replay compares


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(replay)
    app.command()(branch)


def replay(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN|LOG", help="A run, by id or name, or a file with an exported log (.ndjson)."),
    ] = None,
    from_s: Annotated[
        float | None, typer.Option("--from-s", help="Keep metrics and events from this simulated time on, seconds.")
    ] = None,
    to_s: Annotated[float | None, typer.Option("--to-s", help="End at this simulated time, seconds.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Of a log: a folder for all files, or a .csv, .npy, .png or .ndjson file."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Carry out the log of a live run again and compare: a run as a job of the service, a file here and now.

    Exit 8 where it is different, or did not come to its end.
    """
    if run is not None and Path(run).is_file():
        _replay_file(Path(run), from_s, to_s, out, as_json=as_json)
    else:
        _replay_run(run, from_s, to_s, out, as_json=as_json)


def _replay_file(file: Path, from_s: float | None, to_s: float | None, out: Path | None, *, as_json: bool) -> None:
    with reporting():
        from grid.cli.live_solving import compute, finish, require_writable, write

        require_writable(out)
        given: dict[str, Any] = {"log": read_log_file(file)}
        given |= {"from_s": from_s} if from_s is not None else {}
        given |= {"until_s": to_s} if to_s is not None else {}
        result = compute(given, is_quiet=as_json)
        finish(result, write(result, out), as_json=as_json)


def read_log_file(file: Path) -> dict[str, Any]:
    """Return the log in a file: lines as the service exports them, or one object as a job has it.

    Raises:
        GridError: It is neither.
    """
    from grid.core.strict_json import read_json
    from grid.schemas.live_log import read_lines

    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > 1 and lines[1].lstrip().startswith("{"):
        return read_lines(lines)
    found = read_json(text.encode())
    if isinstance(found, dict) and "header" in found:
        return found
    return read_lines(lines)


def _replay_run(
    run: str | None, from_s: float | None, to_s: float | None, out: Path | None, *, as_json: bool
) -> None:  # fmt: skip
    from grid.cli.connection import connected
    from grid.core.errors import FieldError

    with connected() as client:
        if out is not None:
            raise FieldError("--out", "only for a log; `grid jobs download` gets the files of a job")
        found = find_run(client, run)
        job_id = client.replays.freeze(found, from_s or 0.0, to_s) if _is_span(from_s, to_s) else (
            client.replays.replay(found)
        )  # fmt: skip
        job = _wait(client, job_id)
        show(job.model_dump(mode="json"), as_json=as_json, view=lambda: _job_table(job))
        if job.status != "success" or (job.metrics or {}).get("verdict") == "different":
            raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


def _is_span(from_s: float | None, to_s: float | None) -> bool:
    return from_s is not None or to_s is not None


def _wait(client: "GridClient", job_id: UUID) -> "JobOut":
    from rich.progress import Progress

    with Progress(console=errors(), transient=True, disable=not errors().is_terminal) as progress:
        bar = progress.add_task("queued", total=1.0)
        return client.wait(
            job_id,
            require_successful=False,
            on_change=lambda job: progress.update(bar, description=str(job.status), completed=job.progress),
        )


def _job_table(job: "JobOut") -> Any:
    metrics = job.metrics or {}
    rows: list[tuple[str, object]] = [
        ("job", job.id),
        ("status", job.status),
        ("why", job.message),
        ("verdict", metrics.get("verdict")),
        ("first difference, tick", metrics.get("first_difference")),
        ("largest difference", metrics.get("largest_difference")),
        ("ticks", metrics.get("ticks")),
        ("time, s", metrics.get("time_s")),
    ]
    rows += [(audit.name, audit.verdict) for audit in job.audits or [] if audit.name.startswith(AUDITS)]
    return table("what", "value", rows=[row for row in rows if row[1] is not None])


def branch(
    run: Run = None,
    at_s: Annotated[
        float | None, typer.Option("--at-s", help="Simulated time, seconds; the boundary at or before it.")
    ] = None,
    at_tick: Annotated[int | None, typer.Option("--at-tick", min=0, help="The boundary, in place of a time.")] = None,
    checkpoint: Annotated[
        UUID | None, typer.Option("--checkpoint", help="A checkpoint of the run, in place of a time.")
    ] = None,
    drop_commands: Annotated[
        bool, typer.Option("--drop-commands", help="Carry out nothing of what the run was told for later.")
    ] = False,
    speed: Annotated[
        str | None, typer.Option(help="Factor on the rate, 0.1 to 100, or max; default: as it is.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; commands find the run by it.")] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Pause there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start a run that begins where another one was; without a place, where it is now. The other is not touched."""
    from grid.cli.connection import connected
    from grid.core.errors import FieldError

    with connected() as client:
        if sum(each is not None for each in (at_s, at_tick, checkpoint)) > 1:
            raise FieldError("--at-s", "goes without --at-tick and --checkpoint")
        parent = find_run(client, run)
        tick = at_tick if at_s is None else _find_tick(client, parent, at_s)
        made = client.replays.branch(
            parent, at_tick=tick, snapshot=None if checkpoint is None else str(checkpoint),
            keep_commands=not drop_commands, speed=_read_speed(speed), paused=paused, name=name,
        )  # fmt: skip
        place = f"tick {made.parent_tick} of run {made.parent_id}"
        show(made.model_dump(mode="json"), as_json=as_json, view=lambda: f"Run {made.id}, from {place}: {made.message}")


def _find_tick(client: "GridClient", run: UUID, at_s: float) -> int:
    """Return the boundary at or before a simulated time."""
    import math

    from grid.core.errors import FieldError

    tick_s = float(client.engine.show(run).tick_s)
    if not math.isfinite(at_s) or at_s < 0.0:
        raise FieldError("--at-s", "a simulated time of 0 or more, seconds")
    return int(at_s / tick_s * (1.0 + 1e-12))


def _read_speed(text: str | None) -> float | str | None:
    from grid.core.errors import FieldError

    if text is None or text == "max":
        return text
    try:
        return float(text)
    except ValueError:
        raise FieldError("--speed", "a number from 0.1 to 100, or max") from None
