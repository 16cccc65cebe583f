"""`grid engine`: start live runs, list and show them, and steer them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.live_runs import LIVING, Run, WaitFlag, describe_line, find_run, settle
from grid.cli.live_waiting import wait as wait_for_run
from grid.cli.output import JsonFlag, list_title, show, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from grid.client.client import GridClient
    from grid.client.live_calls import RunRequest
    from grid.schemas.wire.live import AcceptedOut, LiveRunOut, LiveRunPage, PricedRunOut

app = typer.Typer(name="engine", no_args_is_help=True, help="Live runs: start them, look at them, steer them.")
app.command("wait")(wait_for_run)

ParamOption = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value; may be given again.")]
FileOption = Annotated[
    Path | None, typer.Option("--params-file", exists=True, dir_okay=False, help="A JSON object of parameters.")
]
SceneOption = Annotated[
    Path | None,
    typer.Option("--scene", exists=True, dir_okay=False, help="A JSON file with `case` and `structure`; needs --tick."),
]


@app.command()
def start(
    scenario: Annotated[str | None, typer.Argument(help="As `grid scenarios list` shows it; or give --scene.")] = None,
    param: ParamOption = None,
    params_file: FileOption = None,
    cells: Annotated[str | None, typer.Option(help="Cells along each axis, such as 128x128.")] = None,
    scene: SceneOption = None,
    tick: Annotated[
        str | None, typer.Option(help="Simulated time of a tick, seconds; default: the scenario's.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Ticks a second at speed 1, 1 to 60.")] = None,
    speed: Annotated[str | None, typer.Option(help="Factor on the rate, 0.1 to 100, or max.")] = None,
    model: Annotated[str | None, typer.Option(help="auto, lumped or diffusive.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="What it may leave out where it is too slow: slip, no-stress or lumped.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="auto, explicit, rkl2 or implicit.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of random numbers.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the kernels, 1 or 2.")] = None,
    name: Annotated[str | None, typer.Option(help="For people; commands find the run by it.")] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Pause before the first tick.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say method, price and largest rate; start nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start a live run and print its id."""
    with connected() as client:
        request: RunRequest = {
            "params": _read_params(client, scenario, param, params_file), "cells": _read_cells(cells),
            "scene": _read_scene(scene), "tick_s": tick, "rate": rate, "speed": _read_speed(speed),
            "method": method, "model": model, "policy": policy, "seed": seed, "threads": threads,  # type: ignore[typeddict-item]
            "paused": paused or None, "name": name,
        }  # fmt: skip
        if dry_run:
            priced = client.engine.price(scenario, **request)
            show(priced.model_dump(mode="json"), as_json=as_json, view=lambda: _price_table(priced))
            return
        run = client.engine.start(scenario, **request)
        show(run.model_dump(mode="json"), as_json=as_json, view=lambda: f"Run {run.id}: {run.message}")


@app.command("list")
def list_runs(
    status: Annotated[list[str] | None, typer.Option("--status", help="In this state; repeatable.")] = None,
    all_states: Annotated[bool, typer.Option("--ended", help="Those that have ended as well.")] = False,
    size: Annotated[int, typer.Option(min=1, max=200, help="Most rows.")] = 20,
    after: Annotated[UUID | None, typer.Option(help="Rows behind this run.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List live runs, newest first: those that live, unless others are asked for."""
    with connected() as client:
        found = client.engine.list(status=status or (None if all_states else LIVING), after=after, limit=size)
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: _list_table(found))


@app.command("show")
def show_run(run: Run = None, as_json: JsonFlag = False) -> None:
    """Show a live run: its state and why, tick, speed, model, price."""
    with connected() as client:
        found = client.engine.show(find_run(client, run))
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: _run_table(found))


@app.command()
def pause(run: Run = None, wait: WaitFlag = False, as_json: JsonFlag = False) -> None:
    """Pause a run at the next boundary of a tick."""
    _steer(run, lambda client, found: client.engine.pause(found), wait=wait, as_json=as_json)


@app.command()
def resume(run: Run = None, wait: WaitFlag = False, as_json: JsonFlag = False) -> None:
    """Let a paused run go on."""
    _steer(run, lambda client, found: client.engine.resume(found), wait=wait, as_json=as_json)


@app.command()
def step(
    run: Run = None,
    ticks: Annotated[int, typer.Option("--ticks", "-n", min=1, max=10_000, help="How many.")] = 1,
    wait: WaitFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Advance a paused run by ticks; then it is paused again."""
    _steer(run, lambda client, found: client.engine.step(found, ticks), wait=wait, as_json=as_json)


@app.command()
def speed(
    factor: Annotated[str, typer.Argument(help="A factor on its rate, 0.1 to 100, or max.")],
    run: Run = None,
    wait: WaitFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Change how fast a run goes; its physics does not depend on it."""

    def send(client: "GridClient", found: UUID) -> "AcceptedOut":
        return client.engine.speed(found, _read_speed(factor) or "max")

    _steer(run, send, wait=wait, as_json=as_json)


@app.command()
def stop(run: Run = None, wait: WaitFlag = False, as_json: JsonFlag = False) -> None:
    """Stop a run: at the next boundary, with its result."""
    _steer(run, lambda client, found: client.engine.stop(found), wait=wait, as_json=as_json)


def _steer(run: str | None, send: "Callable[[GridClient, UUID], AcceptedOut]", *, wait: bool, as_json: bool) -> None:
    with connected() as client:
        found = find_run(client, run)
        settle(client, found, [send(client, found)], wait=wait, as_json=as_json)


def _read_params(
    client: "GridClient", scenario: str | None, param: list[str] | None, params_file: Path | None
) -> dict[str, Any] | None:
    """Read parameters as people type them; what a text means follows the scenario's schema."""
    if not param and params_file is None:
        return None
    from grid.cli.parameters import read_params

    schema = client.engine.scenario(scenario).parameters if scenario is not None and param else None
    return read_params(param or [], params_file, schema)


def _read_cells(text: str | None) -> list[int] | None:
    from grid.cli.scenarios import read_cells

    return None if text is None else list(read_cells(text))


def _read_scene(path: Path | None) -> dict[str, Any] | None:
    """Read a scene from a file.

    Raises:
        FieldError: It holds no JSON object.
    """
    if path is None:
        return None
    from grid.core.errors import FieldError, InputError
    from grid.core.strict_json import read_json

    try:
        found = read_json(path.read_bytes())
    except InputError as error:
        raise FieldError("--scene", str(error)) from error
    if not isinstance(found, dict):
        raise FieldError("--scene", "must be a JSON object with `case`")
    return found


def _read_speed(text: str | None) -> Any:
    """Read a factor, or `max`.

    Raises:
        FieldError: It is neither.
    """
    if text is None or text == "max":
        return text
    from grid.core.errors import FieldError

    try:
        return float(text)
    except ValueError:
        raise FieldError("speed", "must be a number, or max") from None


def _list_table(found: "LiveRunPage") -> Any:
    columns = ("id", "name", "scenario", "status", "tick", "t, s", "speed", "model")
    return table(*columns, rows=[describe_line(run) for run in found.items], title=list_title("runs", found))


def _run_table(run: "LiveRunOut") -> Any:
    rows: list[tuple[str, object]] = [
        ("id", run.id),
        ("name", run.name or None),
        ("status", str(run.status)),
        ("why", run.message),
        ("scenario", run.scenario),
        ("tick", run.tick),
        ("simulated time, s", run.time_s),
        ("tick, s", run.tick_s),
        ("ticks a second", run.rate),
        ("speed", "max" if run.speed is None else run.speed),
        ("model", str(run.model)),
        ("may leave out", "nothing" if run.policy == "slip" else run.policy),
        ("method", f"{run.method}, {run.steps_per_tick} steps a tick"),
        ("cores", run.load_share),
        ("commands", run.commands),
        ("events", run.events),
        ("losses", run.losses or None),
        ("spec", run.spec_hash[:16]),
    ]
    return table("what", "value", rows=[row for row in rows if row[1] is not None])


def _price_table(priced: "PricedRunOut") -> Any:
    rows: list[tuple[str, object]] = [
        ("method", f"{priced.method}, {priced.steps_per_tick} steps a tick"),
        ("cells", priced.cells),
        ("processor time of a tick, s", priced.price_s),
        ("cores", priced.load_share),
        ("largest rate, ticks a second", priced.largest_rate),
        ("memory, bytes", priced.memory_bytes),
        ("place in the queue", priced.place_in_queue),
    ]
    return table("what", "value", rows=rows)
