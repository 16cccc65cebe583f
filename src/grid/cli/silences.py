"""`grid silences`: alerts that are not to be told for a while."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.output import JsonFlag, list_title, show, table

if TYPE_CHECKING:
    from grid.schemas.wire.alerts import SilenceOut

app = typer.Typer(name="silences", no_args_is_help=True, help="Alerts that are not to be told for a while.")

SilenceId = Annotated[UUID, typer.Argument(help="The silence's id.")]
LONGEST_H = 7 * 24.0


@app.command()
def add(
    match: Annotated[
        list[str], typer.Option("--match", "-m", help="rule=hot, severity!=low, label.team=a; all have to agree.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="For others, and for later.")],
    hours: Annotated[float, typer.Option("--hours", min=0.02, max=LONGEST_H, help="How long, 168 at most.")] = 1.0,
    until_below: Annotated[
        str | None, typer.Option("--until-below", help="metric=value: ends when it is below; with --match run=ID.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Silence the alerts that match. They are raised and listed as ever, and not told."""
    with connected() as client:
        until = (datetime.now(UTC) + timedelta(hours=min(hours, LONGEST_H - 0.01))).isoformat()
        matchers = [read_matcher(text) for text in match]
        made = client.silences.add(matchers, reason, until, below=read_below(until_below))
        show(made.model_dump(mode="json"), as_json=as_json, view=lambda: f"Silence {made.id} until {made.until}.")


@app.command("list")
def list_silences(
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended as well.")] = False,
    size: Annotated[int, typer.Option(min=1, max=200, help="Most rows.")] = 20,
    after: Annotated[UUID | None, typer.Option(help="Rows behind this silence.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List silences, newest first."""
    with connected() as client:
        found = client.silences.list(living=not ended, after=after, limit=size)
        rows = [(one.id, _describe(one), one.reason, one.until, len(one.hidden), one.end_reason) for one in found.items]
        columns = ("id", "matches", "reason", "until", "hidden", "ended by")
        show(
            found.model_dump(mode="json"), as_json=as_json,
            view=lambda: table(*columns, rows=rows, title=list_title("silences", found)),
        )  # fmt: skip


@app.command("show")
def show_silence(silence: SilenceId, as_json: JsonFlag = False) -> None:
    """Show a silence, and the alerts that it hid."""
    with connected() as client:
        found = client.silences.show(silence)
        rows: list[tuple[str, Any]] = [
            ("id", found.id), ("matches", _describe(found)), ("reason", found.reason), ("until", found.until),
            ("until below", found.until_below), ("ended", found.ended_at), ("ended by", found.end_reason),
        ]  # fmt: skip
        rows += [("hid", alert) for alert in found.hidden]
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: table("what", "value", rows=rows))


@app.command()
def end(silence: SilenceId, as_json: JsonFlag = False) -> None:
    """End a silence; what it hid is told at once."""
    with connected() as client:
        found = client.silences.end(silence)
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: f"Silence {found.id} has ended.")


def read_matcher(text: str) -> dict[str, str]:
    """Return a matcher from a text such as `rule=hot` or `severity!=low`.

    Raises:
        FieldError: It is none.
    """
    from grid.core.errors import FieldError

    name, sign, value = text.partition("=")
    if not sign or not name.rstrip("!") or not value:
        raise FieldError("--match", "has the form name=value or name!=value")
    return {"name": name.removesuffix("!"), "op": "!=" if name.endswith("!") else "=", "value": value}


def read_below(text: str | None) -> dict[str, Any] | None:
    """Return a metric and a value from a text such as `highest=480`.

    Raises:
        FieldError: It is none.
    """
    from grid.core.errors import FieldError

    if text is None:
        return None
    metric, _, value = text.partition("=")
    try:
        return {"metric": metric, "value": float(value)}
    except ValueError:
        raise FieldError("--until-below", "has the form metric=value") from None


def _describe(silence: "SilenceOut") -> str:
    return ", ".join(f"{one['name']}{one['op']}{one['value']}" for one in silence.matchers)
