"""`grid monitor`: watch and steer a live run in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.live_runs import WatchedRun
from grid.cli.output import fail, reporting

if TYPE_CHECKING:
    from grid.cli.monitor.source import MonitorSource

FIRST_TICKS = 30  # of a scenario before the one look at it


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("monitor")(monitor)


def monitor(
    run: WatchedRun = None,
    scenario: Annotated[
        str | None, typer.Option(help="Run this scenario here and now, without a service, and watch it.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter of the scenario as name=value.")
    ] = None,
    cells: Annotated[str | None, typer.Option(help="Cells of the scenario along each axis, such as 128x128.")] = None,
    speed: Annotated[str, typer.Option(help="Factor on the scenario's rate, 0.1 to 100, or max.")] = "1",
    paused: Annotated[bool, typer.Option("--paused", help="Pause the scenario before its first tick.")] = False,
    params_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON object of the scenario's parameters.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one picture with its numbers, alerts and last events; no terminal.")
    ] = False,
    ticks: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="With --scenario --once: ticks that it runs first; else 30.")
    ] = None,
) -> None:
    """Watch a live run in the terminal, and steer it: field, trends, alerts, timeline. `?` shows the keys."""
    with reporting():
        if ticks is not None and (scenario is None or not once):
            fail("--ticks goes with --scenario and --once")
        if scenario is None:
            source = _find_run(run)
        elif run is not None:
            fail("name a run of the service or a scenario, not both")
        else:
            source = _make_scenario(scenario, param or [], params_file, cells, speed, is_paused=paused or once)
        if once:
            _print_once(source, 0 if scenario is None else ticks or FIRST_TICKS)
            return
        from grid.cli.monitor.app import run_monitor

        run_monitor(source)


def _print_once(source: "MonitorSource", ticks: int) -> None:
    import asyncio
    import time

    from grid.cli.monitor.looking import look_once
    from grid.cli.monitor.printing import print_look
    from grid.cli.output import console

    print_look(asyncio.run(look_once(source, ticks=ticks)), console(), time.time())


def _make_scenario(
    name: str, params: list[str], file: Path | None, cells: str | None, speed: str, *, is_paused: bool
) -> "MonitorSource":
    from grid.cli.monitor.local import LocalSource
    from grid.cli.parameters import read_params
    from grid.cli.scenarios import read_cells, validate
    from grid.core.errors import FieldError
    from grid.plugins.registry import load_registry

    scenario = load_registry().get_scenario(name)
    given = validate(scenario, read_params(params, file, scenario.params_model.model_json_schema()))
    grid = scenario.cells if cells is None else read_cells(cells)
    try:
        wanted = None if speed == "max" else float(speed)
    except ValueError:
        raise FieldError("--speed", "a number, 0.1 to 100, or max") from None
    return LocalSource(scenario, given, grid, speed="max" if wanted is None else wanted, is_paused=is_paused)


def _find_run(run: str | None) -> "MonitorSource":
    from grid.cli.connection import connected
    from grid.cli.live_runs import find_watched
    from grid.cli.monitor.remote import RemoteSource

    with connected() as client:
        found = find_watched(client, run)
    return RemoteSource.from_settings(found)
