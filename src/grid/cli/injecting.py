"""`grid inject`: an event into a live run, as people type it."""

from typing import Annotated, Any

import typer

from grid.cli.connection import connected
from grid.cli.live_runs import Run, WaitFlag, find_run, settle
from grid.cli.output import JsonFlag

KINDS = "burst, flow, overload, boundary, cooling-loss or damage"


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(inject)


def inject(
    kind: Annotated[str, typer.Argument(help=f"{KINDS}.")],
    run: Run = None,
    at: Annotated[str | None, typer.Option(help="Place, metres: 0.4,0.5.")] = None,
    radius: Annotated[float | None, typer.Option(help="Of a burst, metres.")] = None,
    power: Annotated[float | None, typer.Option(help="Watts.")] = None,
    energy: Annotated[float | None, typer.Option(help="Of the whole burst, joules, in place of --power.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds of simulated time.")] = None,
    shape: Annotated[str | None, typer.Option(help="gauss or disc.")] = None,
    velocity: Annotated[str | None, typer.Option(help="Of a burst that moves, m/s: 0.01,0.")] = None,
    face: Annotated[str | None, typer.Option(help="x_min ... z_max; for cooling-loss several: x_min,x_max.")] = None,
    flux: Annotated[float | None, typer.Option(help="Into the face, W/m2.")] = None,
    low: Annotated[str | None, typer.Option("--from", help="Corner of a part of the face, metres.")] = None,
    high: Annotated[str | None, typer.Option("--to", help="The other corner.")] = None,
    region: Annotated[str | None, typer.Option(help="all, a region's name, or JSON such as a box.")] = None,
    law: Annotated[str | None, typer.Option(help="Another law of the face, as JSON in the case format.")] = None,
    remaining: Annotated[float | None, typer.Option(help="Share of the cooling that remains, 0 to 1.")] = None,
    conductivity_factor: Annotated[float | None, typer.Option(help="What is left of it, 0.05 to 1.")] = None,
    stiffness_factor: Annotated[float | None, typer.Option(help="What is left of it, 0 to 1.")] = None,
    damage: Annotated[float | None, typer.Option(help="Sum of damage, 0 to 1.")] = None,
    when: Annotated[float | None, typer.Option("--when", help="Simulated time, seconds; default: at once.")] = None,
    client_id: Annotated[str | None, typer.Option("--id", help="Your name for it: sent again, it acts once.")] = None,
    wait: WaitFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Inject an event into a live run; with --wait print the tick at which it took effect, and what was effective."""
    with connected() as client:
        event = {
            "kind": kind, "position_m": read_numbers("--at", at), "radius_m": radius, "power_w": power,
            "energy_j": energy, "duration_s": duration, "shape": shape,
            "velocity_m_s": read_numbers("--velocity", velocity), "heat_flux_w_m2": flux,
            "from_m": read_numbers("--from", low), "to_m": read_numbers("--to", high), "region": read_region(region),
            "law": read_object("--law", law), "remaining": remaining, "conductivity_factor": conductivity_factor,
            "stiffness_factor": stiffness_factor, "damage": damage, **read_faces(kind, face),
        }  # fmt: skip
        given = {name: value for name, value in event.items() if value is not None}
        found = find_run(client, run)
        answer = client.engine.inject(found, given, at_s=when, client_id=client_id)
        settle(client, found, [answer], wait=wait, as_json=as_json)


def read_numbers(option: str, text: str | None) -> list[float] | None:
    """Read numbers as they are typed: 0.4,0.5.

    Raises:
        FieldError: One of them is none, or not finite.
    """
    if text is None:
        return None
    import math

    from grid.core.errors import FieldError

    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise FieldError(option, "has the form 0.4,0.5: a number for each axis")
    return found


def read_region(text: str | None) -> Any:
    """Read a region: `all`, JSON, or the name of one of the scene's."""
    if text is None or text == "all":
        return text
    return read_object("--region", text) if text.lstrip().startswith("{") else {"name": text}


def read_object(option: str, text: str | None) -> dict[str, Any] | None:
    """Read a JSON object.

    Raises:
        FieldError: It is none.
    """
    if text is None:
        return None
    from grid.core.errors import FieldError, InputError
    from grid.core.strict_json import read_json

    try:
        found = read_json(text.encode())
    except InputError as error:
        raise FieldError(option, str(error)) from error
    if not isinstance(found, dict):
        raise FieldError(option, "must be a JSON object")
    return found


def read_faces(kind: str, text: str | None) -> dict[str, Any]:
    """Return the field of a face, or of several, by what the kind of event takes."""
    if text is None:
        return {}
    return {"faces": text.split(",")} if kind == "cooling-loss" else {"face": text}
