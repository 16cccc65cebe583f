"""`grid alerts`: list, show, explain, acknowledge alerts; keep rules; test rules on scenarios and recorded runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.exit_codes import ExitCode
from grid.cli.live_runs import find_run
from grid.cli.output import JsonFlag, console, errors, list_title, print_json, reporting, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grid.cli.alert_trials import Scores
    from grid.schemas.wire.alerts import AlertOut, AlertPage, ExplainedAlertOut

app = typer.Typer(name="alerts", no_args_is_help=True, help="Alerts of live runs, and the rules that raise them.")
rules = typer.Typer(name="rules", no_args_is_help=True, help="Rules that you keep, for one run or for all.")
app.add_typer(rules)

FIRING = ("firing", "holding")
AlertId = Annotated[UUID, typer.Argument(help="The alert's id.")]
RuleId = Annotated[UUID, typer.Argument(help="The rule's id.")]
RunOption = Annotated[str | None, typer.Option("--run", help="Only of this run: its id, its beginning, or its name.")]
RulesFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Rules, YAML or JSON.")]


@app.command("list")
def list_alerts(
    run: RunOption = None,
    state: Annotated[list[str] | None, typer.Option("--state", help="In this state; repeatable.")] = None,
    severity: Annotated[list[str] | None, typer.Option("--severity", help="Of this severity; repeatable.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended as well.")] = False,
    size: Annotated[int, typer.Option(min=1, max=200, help="Most rows.")] = 20,
    after: Annotated[UUID | None, typer.Option(help="Rows behind this alert.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List alerts, newest first: those that fire, unless others are asked for."""
    with connected() as client:
        wanted = find_run(client, run) if run is not None else None
        states = state or (None if ended else FIRING)
        found = client.alerts.list(state=states, run=wanted, severity=severity, after=after, limit=size)
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: _list_table(found))


@app.command("show")
def show_alert(alert: AlertId, as_json: JsonFlag = False) -> None:
    """Show an alert with its transitions."""
    with connected() as client:
        found = client.alerts.show(alert)
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        console().print(_alert_table(found))
        rows = [(one.n, one.tick, one.part, one.before, one.after, one.cause, one.value) for one in found.transitions]
        console().print(table("n", "tick", "part", "from", "to", "by", "value", rows=rows, title="Transitions"))


@app.command()
def explain(alert: AlertId, as_json: JsonFlag = False) -> None:
    """Say why an alert is as it is: what fired, what covers it, who looks after it."""
    with connected() as client:
        found = client.alerts.show(alert)
        document = {"id": str(found.id), "explain": found.explain}
        show(document, as_json=as_json, view=lambda: "\n".join(found.explain))


@app.command()
def ack(
    alert: AlertId,
    note: Annotated[str | None, typer.Option("--note", help="For others.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Acknowledge an alert: you look after it, and it is not told again."""
    with connected() as client:
        found = client.alerts.acknowledge(alert, note)
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: f"Alert {found.id} is acknowledged.")


@app.command("test")
def back_test(
    file: RulesFile,
    scenario: Annotated[list[str] | None, typer.Option("--scenario", help="Computed here; repeatable.")] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Of each scenario, with parameters around its own.")] = 1,
    cells: Annotated[str | None, typer.Option(help="Cells of the scenarios, such as 64x64.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the parameters.")] = 0,
    run: Annotated[list[str] | None, typer.Option("--run", help="A recorded run of the server; repeatable.")] = None,
    log: Annotated[
        list[Path] | None, typer.Option("--log", exists=True, dir_okay=False, help="The log of a run; repeatable.")
    ] = None,
    truth: Annotated[
        str | None, typer.Option(help='What they should warn of, as "highest > 540 K"; default: the first failed cell.')
    ] = None,
    max_false: Annotated[int | None, typer.Option(min=0, help="Most false alarms of a rule; else exit 8.")] = None,
    max_missed: Annotated[int | None, typer.Option(min=0, help="Most truths that a rule misses; else exit 8.")] = None,
    max_flaps: Annotated[int | None, typer.Option(min=0, help="Most flaps of a rule; else exit 8.")] = None,
    max_delay: Annotated[float | None, typer.Option(min=0, help="Longest delay of a rule [s]; else exit 8.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Test rules on scenarios and recorded runs, which are computed again at full rate, so that they see every tick.

    Prints delay, warning time, false alarms, flaps and misses of each rule. With `--max-false 0` and the like it is a
    check for CI.
    """
    with reporting():
        from grid.cli import alert_trials
        from grid.cli.scenarios import read_cells
        from grid.core.errors import FieldError

        if not (scenario or run or log):
            raise FieldError("--scenario", "must be given, or --run, or --log")
        text, total = alert_trials.read_file(file), dict[str, Any]()
        grid = read_cells(cells) if cells is not None else None
        tell = (lambda _words: None) if as_json else (lambda words: errors().print(words))
        for name in scenario or ():
            found = alert_trials.try_scenario(name, text, truth, count, grid, seed, tell)
            alert_trials.add_scores(total, found.values())
        logs = [(path.read_text(encoding="utf-8").splitlines(), None) for path in log or ()]
        for lines, until in [*logs, *_read_logs(run or ())]:
            alert_trials.add_scores(total, alert_trials.try_log(lines, text, truth, until).values())
        limits = {"false_alarms": max_false, "missed": max_missed, "flaps": max_flaps, "delay_s": max_delay}
        failures = alert_trials.find_failures(total.values(), limits)
        if as_json:
            print_json(alert_trials.dump(total, failures))
        else:
            console().print(_score_table(total))
            for failure in failures:
                errors().print(failure)
        if failures:
            raise typer.Exit(code=int(ExitCode.UNSUCCESSFUL))


@rules.command("list")
def list_rules(
    size: Annotated[int, typer.Option(min=1, max=200, help="Most rows.")] = 20,
    after: Annotated[UUID | None, typer.Option(help="Rows behind this rule.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the rules that you keep, newest first."""
    with connected() as client:
        found = client.alert_rules.list(after=after, limit=size)
        rows = [
            (one.id, one.name, one.version, one.rule.get("metric"), one.rule.get("raise"), one.rule.get("clear"),
             one.run or "all")
            for one in found.items
        ]  # fmt: skip
        columns = ("id", "name", "version", "metric", "raise", "clear", "run")
        show(
            found.model_dump(mode="json"), as_json=as_json,
            view=lambda: table(*columns, rows=rows, title=list_title("rules", found)),
        )  # fmt: skip


@rules.command("apply")
def apply_rules(file: RulesFile, run: RunOption = None, as_json: JsonFlag = False) -> None:
    """Keep the rules of a file: new ones are added, those of the same name replaced, others stay."""
    with connected() as client:
        from grid.cli.alert_trials import read_file
        from grid.core.strict_yaml import read_yaml
        from grid.services.alerts.rule_reading import read_rules

        document = read_yaml(read_file(file))
        read_rules(document)  # refused here, by place, before anything is sent
        listed = document["rules"] if isinstance(document, dict) else document
        wanted = find_run(client, run) if run is not None else None
        known = {one.name: one for one in client.alert_rules.list(limit=200).items if one.run == wanted}
        kept = [
            client.alert_rules.change(known[rule["name"]].id, rule)
            if rule["name"] in known
            else client.alert_rules.add(rule, wanted)
            for rule in listed
        ]
        show(
            [one.model_dump(mode="json") for one in kept], as_json=as_json,
            view=lambda: "\n".join(f"{one.name}: version {one.version}" for one in kept),
        )  # fmt: skip


@rules.command("remove")
def remove_rule(rule: RuleId) -> None:
    """Remove a rule; an alert that fires by it ends as unresolved."""
    with connected() as client:
        client.alert_rules.remove(rule)


def _read_logs(runs: "Sequence[str]") -> "list[tuple[list[str], int | None]]":
    """Return the log of each run with the tick at which it is now, where it goes on."""
    if not runs:
        return []
    with connected() as client:
        shown = [client.engine.show(find_run(client, run)) for run in runs]
        return [
            (client.engine.log(one.id).splitlines(), one.tick if one.finished_at is None else None) for one in shown
        ]


def _list_table(found: "AlertPage") -> Any:
    rows = [
        (one.id, one.severity, one.rule, one.state, one.value, one.threshold, one.fired_tick, _covered(one), one.run)
        for one in found.items
    ]
    columns = ("id", "severity", "rule", "state", "value", "threshold", "tick", "covered by", "run")
    return table(*columns, rows=rows, title=list_title("alerts", found))


def _covered(alert: "AlertOut") -> str | None:
    if alert.silence is not None:
        return "a silence"
    return alert.inhibited_by or alert.cover or ("acknowledged" if alert.acknowledged_at is not None else None)


def _alert_table(found: "ExplainedAlertOut") -> Any:
    names = (
        "id", "run", "rule", "number", "severity", "state", "metric", "region", "value", "threshold", "first_tick",
        "fired_tick", "fired_time_s", "fired_at", "ended_at", "ended_by", "inhibited_by", "silence", "incident",
        "acknowledged_at", "note", "summary", "runbook",
    )  # fmt: skip
    rows = [(name, getattr(found, name)) for name in names if getattr(found, name) not in (None, "")]
    return table("what", "value", rows=rows)


def _score_table(total: "Scores") -> Any:
    columns = (
        "rule", "fired", "false alarms", "an hour", "missed", "flaps", "longest delay, s", "shortest warning, s",
    )  # fmt: skip
    rows = [
        (one["rule"], one["fired"], one["false_alarms"], one["false_per_hour"], one["missed"], one["flaps"],
         one["delay_s"], one["warning_s"])
        for one in (score.to_json() for score in total.values())
    ]  # fmt: skip
    return table(*columns, rows=rows)
