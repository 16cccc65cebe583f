"""`grid model`: which model a live run uses and why, and who chooses it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grid.cli.connection import connected
from grid.cli.live_runs import Run, WaitFlag, find_run, settle
from grid.cli.output import JsonFlag, show, table

if TYPE_CHECKING:
    from grid.schemas.wire.live import LiveEventOut
    from grid.schemas.wire.live_metrics import MetricsOut

app = typer.Typer(name="model", no_args_is_help=True, help="The model of a live run: lumped or diffusive.")

SHOWN = 10  # switches, the latest


@app.command("show")
def show_model(run: Run = None, as_json: JsonFlag = False) -> None:
    """Show the model of a run, its certificate over the limit, and its latest switches with their reasons."""
    with connected() as client:
        found = find_run(client, run)
        newest = client.engine.metrics(found)
        switches = list(client.engine.events(found, kind="switch"))[-SHOWN:]
        document = {
            "run": str(found),
            "model": newest.model,
            "policy": str(newest.policy),
            "certificate": newest.metrics["certificate"],
            "share": newest.metrics["share"],
            "tick": newest.tick,
            "switches": [{"tick": one.tick, **one.payload} for one in switches],
        }
        show(document, as_json=as_json, view=lambda: _model_table(newest, switches))


@app.command()
def switch(
    policy: Annotated[str, typer.Argument(help="auto, lumped or diffusive.")],
    run: Run = None,
    wait: WaitFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Choose the model of a run, or let the run choose."""
    with connected() as client:
        found = find_run(client, run)
        settle(client, found, [client.engine.model(found, policy)], wait=wait, as_json=as_json)


def _model_table(newest: "MetricsOut", switches: "list[LiveEventOut]") -> Any:
    rows: list[tuple[str, object]] = [
        ("model", newest.model),
        ("policy", str(newest.policy)),
        ("certificate, of the span", newest.metrics["certificate"]),
        ("largest measure over its limit", newest.metrics["share"]),
    ]
    for one in switches:
        time = one.payload.get("time_s")
        at = f"tick {one.tick}" + (f", t = {time:g} s" if isinstance(time, int | float) else "")
        rows.append((at, f"{one.payload.get('model')}: {one.payload.get('text', one.payload.get('reason'))}"))
    return table("what", "value", rows=rows)
