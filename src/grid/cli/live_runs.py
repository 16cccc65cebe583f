"""The run that a command means, and what became of a command: shared by the commands of live runs."""

from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from uuid import UUID

import typer

from grid.cli.exit_codes import ExitCode
from grid.cli.output import errors, fail, format_cell, show

if TYPE_CHECKING:
    from grid.client.client import GridClient
    from grid.schemas.wire.live import AcceptedOut, LiveCommandOut, LiveRunOut

MOST_RUNS = 200  # that are looked through for a name
LIVING = ("queued", "starting", "running", "paused", "parked", "interrupted", "resuming", "stopping")

Run = Annotated[
    str | None, typer.Argument(metavar="RUN", help="Its id, the beginning of it, or its name; default: the only one.")
]
WatchedRun = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN", help="Its id, the beginning of it, or its name; default: the newest that lives, else that ended."
    ),
]
WaitFlag = Annotated[
    bool, typer.Option("--wait", "-w", help="Wait until it has taken effect; exit 5 if it is refused.")
]
TIMEOUT_S = 300.0  # for a command to take effect, of a run that may have to wait for a worker first


def find_run(client: "GridClient", text: str | None) -> UUID:
    """Return the run that somebody means; without a text the only one that has not ended.

    A name means the run of that name that lives, and where none does the newest that has ended.

    Ends with exit status 4 where there is none, and 2 where there are several.
    """
    if text is not None and (found := _read_id(text)) is not None:
        return found
    runs = client.engine.list(status=LIVING if text is None else None, limit=MOST_RUNS).items
    if text is not None:
        named = [run for run in runs if run.name == text]  # the newest first
        living = [run for run in named if run.status in LIVING]
        runs = living or named[:1] or [run for run in runs if str(run.id).startswith(text.lower())]
    if len(runs) != 1:
        _refuse(runs, text)
    return runs[0].id


def find_watched(client: "GridClient", text: str | None) -> UUID:
    """Return the run that somebody wants to look at; without a text the newest that lives, else the newest that ended.

    Where that leaves out others, or the run has ended, stderr says which run it is.

    Ends with exit status 4 where there is none, and 2 where a text fits several.
    """
    if text is not None:
        return find_run(client, text)
    living = client.engine.list(status=LIVING, limit=MOST_RUNS).items
    runs = living or client.engine.list(limit=1).items  # the newest first
    if not runs:
        _refuse(runs, None)
    run = runs[0]
    name = f"{run.id}{f' ({run.name})' if run.name else ''}"
    if not living:
        errors().print(f"No live run is under way; run {name} is the newest that has ended.", soft_wrap=True)
    elif len(living) > 1:
        errors().print(f"Run {name} is the newest of {len(living)} that live; name another to see it.", soft_wrap=True)
    return run.id


def settle(client: "GridClient", run: UUID, answers: "list[AcceptedOut]", *, wait: bool, as_json: bool) -> None:
    """Print that commands are committed, and with `wait` at which tick they took effect, or why they did not.

    Ends with exit status 5 where one was refused.
    """
    if not wait:
        document: Any = [answer.model_dump(mode="json") for answer in answers]
        seqs = ", ".join(str(answer.seq) for answer in answers)
        word = "Command" if len(answers) == 1 else "Commands"
        show(
            document[0] if len(answers) == 1 else document,
            as_json=as_json,
            view=lambda: f"{word} {seqs} of run {run}: committed.",
        )
        return
    found = [client.engine.wait_for(run, answer.seq, timeout_s=TIMEOUT_S) for answer in answers]
    document = [one.model_dump(mode="json") for one in found]
    show(
        document[0] if len(found) == 1 else document,
        as_json=as_json,
        view=lambda: "\n".join(describe_outcome(one) for one in found),
    )
    if any(one.outcome == "refused" for one in found):
        raise typer.Exit(code=int(ExitCode.CONFLICT))


def describe_outcome(command: "LiveCommandOut") -> str:
    """Say in one line what became of a command."""
    if command.outcome == "refused":
        return f"Command {command.seq} ({command.kind}) was refused: {command.reason}"
    effective: dict[str, Any] = dict(command.effective or {})
    time = f", t = {format_cell(effective['time_s'])} s" if effective.get("time_s") is not None else ""
    parts = [
        f"{format_cell(effective[name])} {unit}"
        for name, unit in (("power_w", "W"), ("energy_j", "J"), ("duration_s", "s"))
        if effective.get(name) is not None
    ]
    what = f": {', '.join(parts)}" if parts else ""
    return f"Command {command.seq} ({command.kind}) took effect at tick {command.tick}{time}{what}."


def describe_line(run: "LiveRunOut") -> tuple[object, ...]:
    """Return a row of a list of runs."""
    speed = "max" if run.speed is None else f"{run.speed:g}x"
    return run.id, run.name, run.scenario, str(run.status), run.tick, run.time_s, speed, str(run.model)


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _refuse(runs: "list[LiveRunOut]", text: str | None) -> NoReturn:
    if runs:
        names = ", ".join(f"{run.id}{f' ({run.name})' if run.name else ''}" for run in runs[:5])
        fail(f"Which run is meant? {len(runs)} fit: {names}.", ExitCode.USAGE)
    if text is None:
        fail("No live run is under way; `grid engine start burst` starts one.", ExitCode.NOT_FOUND)
    fail("There is no live run of that name or id.", ExitCode.NOT_FOUND)
