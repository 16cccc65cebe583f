"""`grid incidents`: list, show, work, verify, replay and export incidents."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.exit_codes import ExitCode
from grid.cli.live_runs import find_run
from grid.cli.output import JsonFlag, console, fail, list_title, print_json, show, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grid.client.client import GridClient
    from grid.schemas.wire.alerts import TransitionOut
    from grid.schemas.wire.incidents import IncidentOut

app = typer.Typer(name="incidents", no_args_is_help=True, help="What went wrong, and what was done about it.")

IncidentId = Annotated[UUID, typer.Argument(help="The incident's id.")]
TOLERANCE = 1e-6  # of the value at a transition, on another platform


@app.command("open")
def open_incident(
    title: Annotated[str, typer.Argument(help="One line.")],
    run: Annotated[
        str | None, typer.Option("--run", help="Its id, its beginning, or its name; default: the only one.")
    ] = None,
    severity: Annotated[str, typer.Option(help="low, medium, high or critical.")] = "high",
    runbook: Annotated[str | None, typer.Option(help="A file of the folder `runbooks`, without .md.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Open an incident of a run by hand; the nearest snapshot before is pinned."""
    with connected() as client:
        made = client.incidents.open(find_run(client, run), title, severity=severity, runbook=runbook)
        show(made.model_dump(mode="json"), as_json=as_json, view=lambda: f"Incident {made.id} is open.")


@app.command("list")
def list_incidents(
    state: Annotated[list[str] | None, typer.Option("--state", help="In this state; repeatable.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only of this run.")] = None,
    size: Annotated[int, typer.Option(min=1, max=200, help="Most rows.")] = 20,
    after: Annotated[UUID | None, typer.Option(help="Rows behind this incident.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List incidents, newest first."""
    with connected() as client:
        wanted = find_run(client, run) if run is not None else None
        found = client.incidents.list(state=state, run=wanted, after=after, limit=size)
        rows = [
            (one.id, one.severity, one.state, one.title, one.opened_at, one.assigned_to, one.run) for one in found.items
        ]
        columns = ("id", "severity", "state", "title", "opened", "assigned to", "run")
        show(
            found.model_dump(mode="json"), as_json=as_json,
            view=lambda: table(*columns, rows=rows, title=list_title("incidents", found)),
        )  # fmt: skip


@app.command("show")
def show_incident(incident: IncidentId, as_json: JsonFlag = False) -> None:
    """Show an incident: its times, its runbook, its timeline."""
    with connected() as client:
        _print(client.incidents.show(incident), as_json)


@app.command()
def note(incident: IncidentId, text: Annotated[str, typer.Argument(help="Words.")], as_json: JsonFlag = False) -> None:
    """Add a note. It is never edited: a wrong one is answered by another."""
    with connected() as client:
        _tell(client.incidents.note(incident, text), as_json)


@app.command()
def ack(
    incident: IncidentId,
    words: Annotated[str | None, typer.Option("--note", help="For others.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take an incident on; its alerts are acknowledged with it."""
    with connected() as client:
        _tell(client.incidents.acknowledge(incident, words), as_json)


@app.command()
def assign(incident: IncidentId, to: Annotated[str, typer.Argument(help="Who.")], as_json: JsonFlag = False) -> None:
    """Say who works on an incident."""
    with connected() as client:
        _tell(client.incidents.assign(incident, to), as_json)


@app.command()
def resolve(
    incident: IncidentId,
    reason: Annotated[str | None, typer.Option("--reason", help="Needed while an alert of it fires.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Resolve an incident."""
    with connected() as client:
        _tell(client.incidents.resolve(incident, reason), as_json)


@app.command()
def step(
    incident: IncidentId,
    number: Annotated[int, typer.Argument(min=1, max=50, help="Of the runbook.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send the command of the step.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a step of the runbook; exit 8 where a check does not pass."""
    with connected() as client:
        taken = client.incidents.take_step(incident, number, confirm=yes)
        word = "done" if taken.is_done else "NOT passed"
        show(taken.model_dump(mode="json"), as_json=as_json, view=lambda: f"Step {number}: {word}.")
        if not taken.is_done:
            raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


@app.command()
def verify(incident: IncidentId, as_json: JsonFlag = False) -> None:
    """Find entries of the timeline that were changed, removed or inserted; exit 8 where there are any."""
    with connected() as client:
        report = client.incidents.verify(incident)
        words = [f"{report.entries} entries, {'intact' if report.is_intact else 'NOT intact'}; head {report.head}"]
        show(report.model_dump(mode="json"), as_json=as_json, view=lambda: "\n".join([*words, *report.faults]))
        if not report.is_intact:
            raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


@app.command()
def replay(incident: IncidentId, as_json: JsonFlag = False) -> None:
    """Compute the run of an incident again from its log, and see the same alert at the same tick with the same value.

    On the platform of the run the value is the same to the bit; elsewhere within a tolerance, and that is said. Exit 8
    where it differs.
    """
    with connected() as client:
        found, expected = _find_transitions(client, incident)
        lines = client.engine.log(found.run).splitlines()
    from grid.cli.alert_trials import open_log

    session, until = open_log(lines, max(one.tick for one in expected) + 1)  # a change of rules acts within its tick
    session.advance(until)
    rule = _alert_of(found)["rule"]
    seen = {(one.tick, one.before, one.after): one for one in session.take_transitions() if one.rule == rule}
    rows, verdict = compare(expected, seen)
    document = {"incident": str(incident), "verdict": verdict, "transitions": rows}
    columns = ("tick", "from", "to", "value then", "value now", "verdict")
    show(document, as_json=as_json, view=lambda: table(*columns, rows=[row.values() for row in rows], title=verdict))
    if verdict == "different":
        raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


@app.command()
def export(
    incident: IncidentId,
    kind: Annotated[str, typer.Option("--format", help="md or json.")] = "md",
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="A file; default: stdout.")] = None,
) -> None:
    """Write an incident as Markdown, or as JSON with everything that its hashes cover."""
    with connected() as client:
        text = client.incidents.export(incident, kind)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")


def compare(expected: "Sequence[TransitionOut]", seen: "Mapping[Any, Any]") -> tuple[list[dict[str, Any]], str]:
    """Compare recorded transitions with those of a replay; return rows, and the verdict over all."""
    rows, worst = [], "identical"
    for one in expected:
        now = seen.get((one.tick, one.before, one.after))
        if now is None:
            word = "different"
        elif now.value_hex == one.value_hex:
            word = "identical"
        else:
            is_near = one.value is not None and now.value is not None
            is_near = is_near and abs(now.value - one.value) <= TOLERANCE * max(abs(one.value or 0.0), 1.0)
            word = "within tolerance" if is_near else "different"
        order = ("identical", "within tolerance", "different")
        worst = max(worst, word, key=order.index)
        rows.append(
            {
                "tick": one.tick,
                "from": one.before,
                "to": one.after,
                "then": one.value_hex,
                "now": getattr(now, "value_hex", None),
                "verdict": word,
            }
        )
    return rows, worst


def _find_transitions(client: "GridClient", incident: UUID) -> tuple["IncidentOut", "list[TransitionOut]"]:
    """Return an incident and the transitions of its first alert that the engine has decided."""
    found = client.incidents.show(incident)
    alert = _alert_of(found)
    if not alert:
        fail("the incident was opened by hand: there is no alert to see again", ExitCode.CONFLICT)
    shown = client.alerts.show(alert["id"])
    expected = [one for one in shown.transitions if one.actor == "engine"]
    if not expected:
        fail("its rule is in wall time, which no replay repeats", ExitCode.CONFLICT)
    return found, expected


def _alert_of(found: "IncidentOut") -> dict[str, Any]:
    opened = next((entry.payload for entry in found.entries if entry.kind == "opened"), {})
    alert = opened.get("alert")
    return alert if isinstance(alert, dict) else {}


def _tell(done: "IncidentOut", as_json: bool) -> None:
    show(done.model_dump(mode="json"), as_json=as_json, view=lambda: f"Incident {done.id} is {done.state}.")


def _print(found: "IncidentOut", as_json: bool) -> None:
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    names = (
        "id", "run", "title", "severity", "state", "opened_at", "assigned_to", "first_tick", "snapshot",
        "acknowledged_s", "resolved_s", "runbook",
    )  # fmt: skip
    rows = [(name, getattr(found, name)) for name in names if getattr(found, name) is not None]
    console().print(table("what", "value", rows=rows))
    if found.steps:
        steps = [(one.number, one.kind, one.title, "yes" if one.is_done else "no") for one in found.steps]
        console().print(table("step", "kind", "what", "done", rows=steps, title="Runbook"))
    entries = [(one.n, one.at, one.tick, one.kind, one.by or "Grid", one.payload) for one in found.entries]
    console().print(table("n", "at", "tick", "what", "by", "", rows=entries, title="Timeline"))
