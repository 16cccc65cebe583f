"""`grid sims`: what the server can compute, with units and defaults."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.connection import connected
from grid.cli.output import JsonFlag, console, print_json, show, table

if TYPE_CHECKING:
    from grid.schemas.wire import SimulationOut

app = typer.Typer(name="sims", no_args_is_help=True, help="The simulations that the server offers.")


@app.command("list")
def list_simulations(as_json: JsonFlag = False) -> None:
    """List the simulations."""
    with connected() as client:
        from grid.client import calls

        found = client.send(calls.list_simulations())
        view = lambda: table("name", "what it computes", rows=[(s.name, s.title) for s in found.items])  # noqa: E731
        show(found.model_dump(mode="json"), as_json=as_json, view=view)


@app.command("show")
def show_simulation(
    name: Annotated[str, typer.Argument(help="As `grid sims list` shows it.")], as_json: JsonFlag = False
) -> None:
    """Show a simulation's parameters: units, defaults and limits."""
    with connected() as client:
        from grid.client import calls

        found = client.send(calls.get_simulation(name))
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        console().print(f"[bold]{found.name}[/]: {found.title}\n{found.description}")
        console().print(_parameters(found))
        console().print("Files: " + ", ".join(found.files))


def _parameters(found: "SimulationOut") -> Any:
    properties: dict[str, Any] = found.parameters.get("properties") or {}  # type: ignore[assignment]
    rows = [
        (name, schema.get("unit", ""), found.defaults.get(name), _limits(schema), schema.get("description", ""))
        for name, schema in properties.items()
    ]
    return table("parameter", "unit", "default", "limits", "meaning", rows=rows)


def _limits(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return (
        f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}"
        if (low, high) != (None, None)
        else ""
    )
