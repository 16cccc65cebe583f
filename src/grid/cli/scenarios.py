"""`grid scenarios`: live scenarios that are installed, run here and now; no server needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.output import JsonFlag, console, errors, print_json, reporting, show, table

if TYPE_CHECKING:
    from pydantic import BaseModel

    from grid.engine.live.session import Session
    from grid.engine.live.summary import TickSummary
    from grid.plugins.scenario_run import ScenarioRun
    from grid.schemas.scenarios import Scenario

app = typer.Typer(name="scenarios", no_args_is_help=True, help="Scenarios of live runs, and their expected courses.")
ROWS = 12  # moments of a run that are printed

Name = Annotated[str, typer.Argument(help="As `grid scenarios list` shows it.")]


@app.command("list")
def list_scenarios(as_json: JsonFlag = False) -> None:
    """List the scenarios."""
    with reporting():
        from grid.plugins.registry import load_registry

        found = load_registry().scenarios().values()
        document = [{"name": one.name, "title": one.title, "axes": one.axes, "cells": one.cells} for one in found]
        rows = [(one.name, one.title, "x".join(map(str, one.cells))) for one in found]
        show(document, as_json=as_json, view=lambda: table("name", "what it shows", "cells", rows=rows))


@app.command("show")
def show_scenario(name: Name, as_json: JsonFlag = False) -> None:
    """Show a scenario: its physics, its parameters, and what is expected to happen."""
    with reporting():
        from grid.plugins.registry import load_registry

        scenario = load_registry().get_scenario(name)
        params, schema = scenario.params_model(), scenario.params_model.model_json_schema()
        timing, expected = scenario.timing(params), scenario.expected(params)
        if as_json:
            print_json(
                {
                    "name": scenario.name, "title": scenario.title, "description": scenario.description,
                    "parameters": schema, "cells": scenario.cells, "tick_s": timing.tick_s, "rate": timing.rate,
                    "length_s": timing.length_s, "events": list(scenario.events(params)),
                    "rules": list(scenario.rules(params)), "expected": [vars(one) for one in expected],
                }
            )  # fmt: skip
            return
        console().print(f"[bold]{scenario.name}[/]: {scenario.title}\n{scenario.description}")
        rows = [
            (key, one.get("unit", ""), one.get("default"), _limits(one), one.get("description", ""))
            for key, one in schema.get("properties", {}).items()
        ]
        console().print(table("parameter", "unit", "default", "limits", "meaning", rows=rows))
        pace = f"{timing.ticks} ticks of {timing.tick_s:g} s, {timing.rate:g} a second"
        console().print(f"Cells {'x'.join(map(str, scenario.cells))}; {pace}.")
        courses = [(one.quantity, one.measure, f"{one.time_s:g} s", _text(one.value), one.source) for one in expected]
        console().print(table("expected", "as", "at", "value", "by", rows=courses))


@app.command("run")
def run(
    name: Name,
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="A parameter as name=value.")] = None,
    params_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON object of parameters.")
    ] = None,
    cells: Annotated[str | None, typer.Option(help="Cells along each axis, such as 128x128.")] = None,
    method: Annotated[str, typer.Option(help="auto, explicit, rkl2 or implicit.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Run a scenario as fast as it goes, and hold it to the course that its closed forms say."""
    with reporting():
        from grid.cli.parameters import read_params
        from grid.plugins.registry import load_registry

        scenario = load_registry().get_scenario(name)
        schema = scenario.params_model.model_json_schema()
        params = validate(scenario, read_params(param or (), params_file, schema))
        grid = scenario.cells if cells is None else read_cells(cells)
        done = carry_out(scenario, params, grid, method, is_quiet=as_json)
        misses = [(expected, found) for expected, found in done.found if not expected.is_met(found)]
        if as_json:
            print_json(describe(done))
        else:
            print_run(done)
        if misses:
            raise typer.Exit(1)


def validate(scenario: "Scenario", given: dict[str, Any]) -> "BaseModel":
    """Parameters of a scenario.

    Raises:
        InvalidFieldsError: Some are unknown, of the wrong type or outside their limits.
    """
    from pydantic import ValidationError

    from grid.core.errors import FieldError, InvalidFieldsError

    try:
        return scenario.params_model.model_validate(given)
    except ValidationError as error:
        found = [FieldError(".".join(map(str, one["loc"])) or "params", one["msg"]) for one in error.errors()]
        raise InvalidFieldsError(tuple(found)) from None


def read_cells(text: str) -> tuple[int, ...]:
    """Cells along each axis from a text such as 128x128.

    Raises:
        FieldError: It is none.
    """
    from grid.core.errors import FieldError

    parts = text.lower().split("x")
    if not all(part.strip().isdecimal() for part in parts) or len(parts) > 3:
        raise FieldError("--cells", "has the form 128 or 128x128 or 32x32x32")
    return tuple(int(part) for part in parts)


def carry_out(
    scenario: "Scenario", params: "BaseModel", cells: Sequence[int], method: str, *, is_quiet: bool
) -> "ScenarioRun":
    """Run a scenario, with a bar where somebody looks."""
    from rich.progress import Progress

    from grid.plugins.scenario_run import run_scenario

    ticks = scenario.timing(params).ticks
    with Progress(console=errors(), transient=True, disable=is_quiet or not errors().is_terminal) as progress:
        bar = progress.add_task(scenario.name, total=ticks)

        def on_tick(session: "Session", _changes: object) -> None:
            if session.tick % 16 == 0:
                progress.update(bar, completed=session.tick)

        return run_scenario(scenario, params, tuple(cells), method=method, on_tick=on_tick)


def describe(done: "ScenarioRun") -> dict[str, Any]:
    """A finished run as JSON."""
    session = done.session
    return {
        "method": session.clock.method,
        "ticks": session.tick,
        "tick_s": session.clock.tick,
        "field_sha256": session.hash(),
        "summary": session.summary._asdict(),
        "lumped_ticks": session.state.model.lumped_ticks,
        "switches": [vars(one) | {"bound": str(one.bound)} for one in session.state.model.switches],
        "alerts": [change.to_json() for change in done.transitions],
        "expected": [
            vars(expected) | {"found": found, "is_met": expected.is_met(found)} for expected, found in done.found
        ],
        "log": [command.to_json() for command in session.commands],
    }


def print_run(done: "ScenarioRun") -> None:
    """Print a finished run: its course, its changes of model, its alerts, and what was expected."""
    session, summaries = done.session, done.summaries
    step = max(1, (len(summaries) - 1) // ROWS)
    shown = summaries[::step]
    if shown[-1] is not summaries[-1]:
        shown.append(summaries[-1])
    columns = ("t [s]", "model", "highest", "mean", "peak stress [MPa]", "damage", "failed")
    console().print(table(*columns, rows=[_row(one) for one in shown]))
    for switch in session.state.model.switches:
        bound = "" if switch.bound == float("inf") else f" ({switch.bound:.3g} of its limit)"
        time = session.clock.time(switch.tick)
        console().print(f"t = {time:g} s, tick {switch.tick}: {switch.model}, {switch.text}{bound}")
    for change in done.transitions:
        if change.after in ("firing", "ok"):
            value = "" if change.value is None else f" at {change.value:.6g}"
            console().print(f"t = {change.time_s:g} s, tick {change.tick}: alert {change.rule} {change.after}{value}")
    rows = [
        (one.quantity, one.measure, f"{one.time_s:g} s", _text(one.value), _text(found), _answer(one.is_met(found)))
        for one, found in done.found
    ]
    console().print(table("expected", "as", "at", "value", "found", "met", rows=rows))
    share = session.state.model.lumped_ticks / max(1, session.tick)
    console().print(
        f"{session.tick} ticks of {session.clock.tick:g} s by {session.clock.method}, {share:.0%} of them lumped; heat "
        f"balance {session.summary.balance_residual:.1e}; field {session.hash()[:16]}"
    )


def _row(one: "TickSummary") -> tuple[str, ...]:
    stress = "" if one.peak_stress is None else f"{one.peak_stress / 1e6:.4g}"
    damage = "" if one.damage is None else f"{one.damage:.3g}"
    failed = f"{one.failed_cells}" + (f" + {one.failed_regions} regions" if one.failed_regions else "")
    return f"{one.time:g}", one.model, f"{one.highest:.6g}", f"{one.mean:.6g}", stress, damage, failed


def _answer(is_met: bool) -> str:
    return "yes" if is_met else "NO"


def _text(value: float | str | None) -> str:
    return "never" if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _limits(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    low, high = schema.get("minimum"), schema.get("maximum")
    return "" if low is None or high is None else f"{low:g} .. {high:g}"
