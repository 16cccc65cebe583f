"""Back-tests of `grid alerts test`: rules beside runs that are computed here, so that they see every tick."""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grid.core.errors import FieldError

if TYPE_CHECKING:
    from grid.engine.live.session import Session
    from grid.services.alerts.backtest import RuleScore, Truth

SPREAD = 0.2  # of a parameter, to either side, where a scenario is tried several times
Scores = dict[str, "RuleScore"]
Rules = Sequence[dict[str, Any]]


def try_scenario(
    name: str, text: str, truth: str | None, count: int, cells: tuple[int, ...] | None, seed: int,
    tell: Callable[[str], object] = lambda _words: None,
) -> Scores:  # fmt: skip
    """Try rules on a scenario: the first time with its own parameters, then with others around them.

    Args:
        name: Of the scenario.
        text: The rules, YAML.
        truth: What they should warn of; None: the first failed cell.
        count: How often.
        cells: Of the grid; None: the scenario's.
        seed: Of the parameters.
        tell: Told of each run.

    Raises:
        NotFoundError: There is no such scenario.
        FieldError: A rule, the truth or the grid is none.
    """
    from pydantic import ValidationError

    from grid.plugins.registry import load_registry
    from grid.plugins.scenario_run import run_scenario
    from grid.services.alerts.backtest import Trial
    from grid.services.alerts.rule_reading import find_temperature_unit

    scenario = load_registry().get_scenario(name)
    draw = random.Random(seed)  # noqa: S311 - no secret
    total: Scores = {}
    for number in range(count):
        changed = {} if number == 0 else vary(scenario.params_model.model_json_schema(), draw)
        try:
            params = scenario.params_model.model_validate(changed)
        except ValidationError:  # two parameters that do not go together
            params = scenario.params_model.model_validate({})
        grid = cells or scenario.cells
        unit = find_temperature_unit(scenario.scene(params, grid))
        trial = Trial(read(text, unit), scenario.timing(params).tick_s, read_wanted(truth, unit))

        def on_tick(session: "Session", _transitions: object, trial: Trial = trial) -> None:
            trial.see(session.tick, session.summary.metrics())

        run_scenario(scenario, params, grid, on_tick=on_tick)
        tell(f"{name} {number + 1} of {count}: {len(trial.truths)} truths, {len(trial.transitions)} transitions")
        add_scores(total, trial.scores())
    return total


def try_log(lines: Iterable[str], text: str, truth: str | None, until: int | None = None) -> Scores:
    """Try rules on the run of a log, which is computed again.

    Args:
        lines: Of the log, as `GET /engine/runs/{id}/commands?format=ndjson` gives it.
        text: The rules, YAML.
        truth: What they should warn of; None: the first failed cell.
        until: Tick at which to end; None: where the log does.

    Raises:
        FieldError, InvalidFieldsError: A rule, the truth or the log is none.
    """
    from grid.services.alerts.backtest import Trial

    session, end = open_log(lines, until)
    unit = session.scene.problem.temperature_unit
    trial = Trial(read(text, unit), session.clock.tick, read_wanted(truth, unit))
    while session.tick < end:
        session.advance()
        trial.see(session.tick, session.summary.metrics())
    total: Scores = {}
    add_scores(total, trial.scores())
    return total


def open_log(lines: Iterable[str], until: int | None = None) -> tuple["Session", int]:
    """Return a session at tick 0 with the commands of a log before it, and the tick at which the log ends.

    Args:
        lines: Of the log.
        until: Where it is to end; None: where the log says.

    Raises:
        FieldError, InvalidFieldsError: The log is none, or has no end and none was given.
    """
    from grid.engine.live import RefusedChangeError, Session
    from grid.plugins.builtin.live.inputs import read_input
    from grid.plugins.builtin.live.params import LiveParams
    from grid.plugins.registry import load_registry
    from grid.schemas.live_log import read_lines

    document = {name: value for name, value in read_lines(lines).items() if value is not None}
    if until is not None:
        document["end"] = {"tick": until}
        document["checks"], document["events"] = [], []
    given = read_input(LiveParams(log=document), load_registry().scenarios())
    session = Session(given.scene, given.clock, seed=given.seed, rules=given.rules)
    for command in given.commands:
        try:
            session.execute(command)
        except RefusedChangeError:
            continue  # it was refused then as well
    return session, given.until


def vary(schema: Mapping[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return other values of the parameters that are numbers with limits, each at random within a fifth of its own."""
    found: dict[str, Any] = {}
    for name, one in schema.get("properties", {}).items():
        low, high, default = one.get("minimum"), one.get("maximum"), one.get("default")
        if one.get("type") != "number" or not isinstance(default, float) or None in (low, high):
            continue
        value = default * draw.uniform(1.0 - SPREAD, 1.0 + SPREAD)
        found[name] = min(max(value, float(low)), float(high))
    return found


def read(text: str, unit: str) -> Rules:
    """Return the rules of a file that see ticks.

    Raises:
        FieldError: A rule is none, or all are of the wall clock.
    """
    from grid.services.alerts.rule_reading import read_rule_file

    rules = [rule for rule in read_rule_file(text, temperature_unit=unit) if rule.get("clock") != "wall"]
    if not rules:
        raise FieldError("rules", "must have one in simulation time: what the wall clock says cannot be repeated")
    return rules


def read_wanted(text: str | None, unit: str) -> "Truth":
    """Return what the rules should warn of."""
    from grid.services.alerts.backtest import FIRST_FAILED_CELL, read_truth

    return FIRST_FAILED_CELL if text is None else read_truth(text, unit)


def add_scores(total: Scores, scores: Iterable["RuleScore"]) -> None:
    """Add scores to those of the same rules."""
    for score in scores:
        if score.rule in total:
            total[score.rule].add(score)
        else:
            total[score.rule] = score


def find_failures(scores: Iterable["RuleScore"], limits: Mapping[str, float | None]) -> list[str]:
    """Return what is beyond a limit, as sentences.

    Args:
        scores: Of all rules.
        limits: Most `false_alarms`, `missed` and `flaps`, and longest `delay_s`; None: no limit.
    """
    found = []
    for score in scores:
        values = score.to_json()
        for name, most in limits.items():
            value = values[name]
            if most is not None and value is not None and value > most:
                found.append(f"{score.rule}: {name} {value:g} is more than {most:g}")
    return found


def read_file(path: Path) -> str:
    """Return the text of a file of rules.

    Raises:
        FieldError: It is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FieldError(str(path), "must be UTF-8") from None


def dump(scores: Scores, failures: Sequence[str]) -> dict[str, Any]:
    """Return what a test has found as JSON."""
    document: dict[str, Any] = json.loads(json.dumps([score.to_json() for score in scores.values()]))
    return {"scores": document, "failures": list(failures)}
