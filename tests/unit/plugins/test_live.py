"""The simulation `live`: a scenario is the session's, and a log is replayed to the bytes or told where it is not."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grid.core.errors import FieldError, InvalidFieldsError
from grid.engine.live import Rule, Scene, Session, plan_clock
from grid.plugins.builtin.live import Live, course
from grid.plugins.builtin.live.record import read_row
from grid.plugins.builtin.live.verdict import TOLERANCE
from grid.plugins.registry import load_registry
from grid.plugins.scenario_run import run_scenario, start_scenario
from grid.schemas.jobs import Reason
from grid.schemas.live import TICK_METRICS
from grid.schemas.live_log import read_lines, write_lines
from grid.schemas.paths import merge_point
from grid.schemas.simulations import PointOutcome

LIVE = load_registry().get("live")
SCENARIOS = load_registry().scenarios()
CASCADE = SCENARIOS["cascade"]
TICKS = 150
BURST = {"kind": "burst", "position_m": [0.005, 0.3, 0.4], "radius_m": 0.1, "energy_j": 4e4, "duration_s": 30.0}
DAMAGE = {"kind": "damage", "region": "all", "conductivity_factor": 0.5, "damage": 0.3}


def keep_all(_fraction: float) -> frozenset[int]:
    return frozenset()


def solve(**params: Any) -> tuple[PointOutcome, Any]:
    batch = LIVE.solve([LIVE.params_model.model_validate_json(json.dumps(params))], keep_all)
    return batch.outcomes[0], batch.records[0]


def audit(outcome: PointOutcome, name: str) -> Any:
    return next(one for one in outcome.audits if one["name"] == name)


@pytest.fixture(scope="module")
def recorded() -> tuple[dict[str, Any], Session]:
    """The log of a run with bursts, damage, a failing cascade, changes of model and rules, and the session itself."""
    params = CASCADE.params_model(regions=4, capacity=1.1)
    scene_json = {**CASCADE.scene(params, (8, 8)), "fidelity": {"deviation_k": 4.0}}
    tick = CASCADE.timing(params).tick_s
    rules = [{"name": "hot", "metric": "highest", "raise": 30.0, "clear": 25.0}]
    scene = Scene.from_json(scene_json)
    session = Session(scene, plan_clock(scene, tick), rules=[Rule.from_json(rule) for rule in rules])
    for event in CASCADE.events(params):
        session.apply(event["event"], at_s=event["at_s"])
    session.apply(BURST, at_s=50 * tick)
    session.advance(20)
    session.apply({**BURST, "energy_j": 200.0})
    session.advance(40)
    session.apply(DAMAGE)
    session.choose_model("diffusive")
    session.advance(TICKS - 60)
    header = {"scene": scene_json, "rules": rules, "method": session.clock.method, **vars(session.header)}
    log = {
        "header": header,
        "commands": [command.to_json() for command in session.commands],
        "end": {"tick": session.tick, "field_sha256": session.hash()},
    }
    return json.loads(json.dumps(log)), session


@pytest.fixture(scope="module")
def whole(recorded: tuple[dict[str, Any], Session]) -> dict[str, Any]:
    """The same log with its events, as a replay writes it."""
    _, record = solve(log=recorded[0])
    return read_row(record).document["log"]


def test_a_scenario_is_the_session_and_the_point_of_a_sweep_to_the_byte() -> None:
    scenario = SCENARIOS["burst"]
    common = {"scenario": "burst", "cells": [12, 12], "until_s": 90.0}
    points = [merge_point(common, {"params.power": power}) for power in (300.0, 800.0)]
    batch = LIVE.solve([LIVE.params_model.model_validate(point) for point in points], keep_all)
    for power, outcome, record in zip((300.0, 800.0), batch.outcomes, batch.records, strict=True):
        session = start_scenario(scenario, scenario.params_model(power=power), (12, 12))
        session.advance(90)
        alone, single = solve(scenario="burst", cells=[12, 12], until_s=90.0, params={"power": power})
        assert outcome.field_sha256 == session.hash() == alone.field_sha256
        assert record["final"].tobytes() == session.field().tobytes() == single["final"].tobytes()
        assert outcome.metrics["peak_stress"] == session.summary.peak_stress


def test_a_scenario_is_held_to_its_course() -> None:
    scenario = SCENARIOS["overload"]
    outcome, record = solve(scenario="overload", cells=[64])
    run = run_scenario(scenario, scenario.params_model(), (64,))
    assert outcome.reason is Reason.OK
    assert outcome.metrics["expected"] == outcome.metrics["met"] == len(run.found) > 2
    rows = [one for one in outcome.audits if one["name"].startswith("expected_")]
    assert {one["verdict"] for one in rows} == {"passed"}
    assert "Incropera" in rows[0]["detail"]
    assert [one["found"] for one in read_row(record).document["expected"]] == [found for _, found in run.found]


def test_what_is_expected_after_the_end_is_no_miss_and_a_miss_is_a_failed_audit() -> None:
    short, _ = solve(scenario="burst", cells=[8, 8], until_s=20.0)
    assert short.metrics["expected"] == 0
    coarse, _ = solve(scenario="burst", cells=[8, 8])
    assert coarse.reason is Reason.OK
    assert 0 < coarse.metrics["met"] < coarse.metrics["expected"]
    assert "failed" in {one["verdict"] for one in coarse.audits}


def test_the_model_is_the_one_that_was_asked_for() -> None:
    outcome, _ = solve(scenario="overload", cells=[64], until_s=500.0, model="diffusive")
    assert (outcome.metrics["model"], outcome.metrics["lumped_ticks"]) == ("diffusive", 0)


def test_a_log_with_bursts_damage_cascade_and_switches_is_replayed_identically(
    recorded: tuple[dict[str, Any], Session], whole: dict[str, Any]
) -> None:
    log, session = recorded
    outcome, record = solve(log=whole)
    document = read_row(record).document
    assert (outcome.metrics["verdict"], outcome.metrics["first_difference"]) == ("identical", None)
    assert outcome.field_sha256 == session.hash() == log["end"]["field_sha256"]
    assert document["counts"].keys() >= {"applied", "switch", "failed-region", "alert"}
    assert {one["verdict"] for one in outcome.audits} == {"passed"}
    assert whole["events"] == document["log"]["events"]
    first = session.state.model.switches[0]
    assert (first.tick, first.reason) in [(one["tick"], one["reason"]) for one in document["switches"]]


def test_a_log_as_lines_is_the_same_log(whole: dict[str, Any]) -> None:
    outcome, _ = solve(log=read_lines(write_lines(whole)))
    assert outcome.metrics["verdict"] == "identical"


def test_a_changed_number_makes_the_replay_different_at_its_tick(whole: dict[str, Any]) -> None:
    log = copy.deepcopy(whole)
    changed = next(one for one in log["commands"] if one["payload"].get("energy_j") == 200.0)
    changed["payload"]["energy_j"] = 200.00001
    outcome, record = solve(log=log)
    verdict = read_row(record).document["verdict"]
    assert outcome.reason is Reason.OK
    assert (outcome.metrics["verdict"], outcome.metrics["first_difference"]) == ("different", changed["tick"])
    assert f"applied {changed['seq']} says something else" in verdict["sentence"]
    assert audit(outcome, "replayed_events")["verdict"] == audit(outcome, "replayed_field")["verdict"] == "failed"


def test_without_events_hashes_on_the_way_bound_where_the_replay_differs(
    recorded: tuple[dict[str, Any], Session],
) -> None:
    log, session = copy.deepcopy(recorded[0]), recorded[1]
    again = Session(session.scene, session.clock, rules=[one.rule for one in session.rules])
    for command in session.commands:
        again.execute(command)
    log["checks"] = []
    for _ in range(15):
        again.advance(10)
        log["checks"].append({"tick": again.tick, "field_sha256": again.hash()})
    assert solve(log=log)[0].metrics["verdict"] == "identical"
    next(one for one in log["commands"] if one["tick"] == 60)["payload"]["conductivity_factor"] = 0.4
    verdict = read_row(solve(log=log)[1]).document["verdict"]
    assert verdict["first_difference"] == {"tick": 70, "after": 60, "what": "the field is another one"}


@pytest.mark.parametrize(("factor", "word"), [(0.5, "within tolerance"), (3.0, "different")])
def test_a_log_of_another_platform_is_held_to_a_tolerance(whole: dict[str, Any], factor: float, word: str) -> None:
    log = copy.deepcopy(whole)
    log["header"]["platform"] = "0" * 12
    outcome, record = solve(log=log)
    assert outcome.metrics["verdict"] == "identical"
    span = np.ptp([read_row(record).history[:, TICK_METRICS.index(name), :2] for name in ("lowest", "highest")])
    log["end"]["field_sha256"] = "0" * 64
    log["end"]["highest"] += factor * TOLERANCE * span
    outcome, _ = solve(log=log)
    assert outcome.metrics["verdict"] == word
    assert outcome.metrics["largest_difference"] == pytest.approx(factor * TOLERANCE * span, rel=1e-3)


def test_another_event_is_beyond_every_tolerance(whole: dict[str, Any]) -> None:
    log = copy.deepcopy(whole)
    log["header"]["numerics_version"] = "0" * 12
    log["events"] = [one for one in log["events"] if one[1] != "failed-region"]
    assert solve(log=log)[0].metrics["verdict"] == "different"


def test_a_log_says_which_scene_it_is_of(whole: dict[str, Any]) -> None:
    log = copy.deepcopy(whole)
    log["header"]["scene"]["case"]["material"]["conductivity"] = 160.0
    outcome, _ = solve(log=log)
    assert (outcome.metrics["verdict"], outcome.metrics["first_difference"]) == ("different", 0)
    assert audit(outcome, "replayed_scene")["verdict"] == "failed"


def test_a_log_up_to_now_has_no_field_to_compare(whole: dict[str, Any]) -> None:
    log = copy.deepcopy(whole)
    log["end"] = {"tick": 100}
    outcome, _ = solve(log=log)
    assert outcome.metrics["verdict"] == "identical"
    assert audit(outcome, "replayed_field")["verdict"] == "not_applicable"
    log["events"] = log["header"]["event_kinds"] = []
    assert solve(log=log)[0].metrics["verdict"] == "unknown"


def test_a_log_without_an_end_needs_a_time(whole: dict[str, Any]) -> None:
    log = {name: value for name, value in whole.items() if name != "end"}
    with pytest.raises(FieldError, match="until_s"):
        LIVE.estimate(LIVE.params_model(log=log))
    assert solve(log=log, until_s=30.0)[0].reason is Reason.OK


def test_a_span_keeps_the_metrics_and_events_within_it(whole: dict[str, Any]) -> None:
    tick = float(whole["header"]["tick_s"])
    outcome, record = solve(log=whole, from_s=60 * tick, until_s=100 * tick)
    found = read_row(record)
    assert (found.place, len(found.history), outcome.metrics["ticks"]) == (60, 41, 100)
    assert all(60 <= one["tick"] <= 100 for one in found.document["events"])
    assert outcome.metrics["verdict"] == "identical"


def test_long_runs_have_a_coarser_history_in_which_no_peak_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "MOST_ROWS", 128)
    params = {"scenario": "overload", "cells": [64]}
    tick = SCENARIOS["overload"].timing(SCENARIOS["overload"].params_model()).tick_s
    fine = read_row(solve(**params, until_s=120 * tick)[1])
    coarse = read_row(solve(**params, until_s=140 * tick)[1])
    assert (fine.level, len(fine.history), coarse.level, len(coarse.history)) == (0, 121, 1, 71)
    pairs = fine.history[:120].reshape(60, 2, len(TICK_METRICS), 4)
    np.testing.assert_array_equal(coarse.history[:60, :, 0], np.fmin.reduce(pairs[..., 0], axis=1))
    np.testing.assert_array_equal(coarse.history[:60, :, 1], np.fmax.reduce(pairs[..., 1], axis=1))
    np.testing.assert_array_equal(coarse.history[:60, :, 3], pairs[:, 1, :, 3])
    mean = TICK_METRICS.index("mean")
    np.testing.assert_allclose(coarse.history[:60, mean, 2], pairs[:, :, mean, 2].mean(axis=1), rtol=1e-15)


def test_points_are_priced_by_ticks_and_cells() -> None:
    short, long, large = (
        LIVE.estimate(LIVE.params_model.model_validate(point))
        for point in (
            {"cells": [64, 64], "until_s": 100.0}, {"cells": [64, 64], "until_s": 1000.0}, {"cells": [512, 512]},
        )
    )  # fmt: skip
    assert long.work_s > 2.0 * short.work_s > 0.2
    assert long.cell_steps == pytest.approx(10.0 * short.cell_steps)
    assert large.memory_bytes > 20e6
    assert (short.slot, large.slot) == ("small", "large")


def test_a_cancelled_point_stops_and_its_neighbours_go_on() -> None:
    told: list[float] = []

    def leave_out(fraction: float) -> frozenset[int]:
        told.append(fraction)
        return frozenset({0}) if fraction > 0.2 else frozenset()

    points = [LIVE.params_model(scenario="flow", cells=[64], until_s=2000.0) for _ in range(2)]
    batch = LIVE.solve(points, leave_out)
    assert [one.reason for one in batch.outcomes] == [Reason.CANCELLED_BY_USER, Reason.OK]
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"scenario": "storm"}, "scenario"),
        ({"params": {"power": -1.0}}, "params.power"),
        ({"params": {"colour": 1.0}}, "params.colour"),
        ({"cells": [4, 4]}, "cells"),
        ({"cells": [64]}, "cells"),
        ({"until_s": 1e12}, "until_s"),
        ({"from_s": 1000.0}, "from_s"),
    ],
)
def test_a_scenario_that_is_none_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises((FieldError, InvalidFieldsError), match=field):
        LIVE.estimate(LIVE.params_model.model_validate(given))


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("header.tick_s", "soon", "log.header.tick_s"),
        ("header.tick_s", 1e300, "log.scene.tick_s"),
        ("header.steps", 3, "log.header.steps"),
        ("header.method", "magic", "log.scene.method"),
        ("header.seed", -1, "log.header.seed"),
        ("header.rules", [{"name": "hot"}], "log.header.rules.metric"),
        ("header.event_kinds", ["slip"], "log.header.event_kinds"),
        ("header.platform", 5, "log.header.platform"),
        ("header.scene", 5, "log.scene"),
        ("header.scene", {"case": {}}, "log.scene"),
        ("commands", [{"seq": 1}], "log"),
        ("commands", [5] * 10_001, "log.commands"),
        ("events", [[1, "applied", "1", "short"]], r"log.events\[0\]"),
        ("events", [[True, "slip", "1", "0" * 16]], r"log.events\[0\]"),
        ("checks", [{"tick": -1}], r"log.checks\[0\].tick"),
        ("checks", [{"tick": 1, "highest": "hot"}], r"log.checks\[0\].highest"),
        ("end", {"tick": 5, "field_sha256": "xyz"}, "log.end.field_sha256"),
        ("extra", 1, "log.extra"),
    ],
)
def test_a_log_that_is_none_is_refused_by_name(whole: dict[str, Any], path: str, value: Any, field: str) -> None:
    log = copy.deepcopy(whole)
    *way, last = path.split(".")
    place = log
    for name in way:
        place = place[name]
    place[last] = value
    with pytest.raises((FieldError, InvalidFieldsError), match=field):
        LIVE.estimate(LIVE.params_model.model_validate({"log": log}))


def test_a_scene_that_the_method_of_the_log_does_not_compute_is_refused(whole: dict[str, Any]) -> None:
    log = copy.deepcopy(whole)
    log["header"]["scene"]["case"]["material"]["conductivity"] = {"expression": "160 + 0.1 * T"}
    with pytest.raises(FieldError, match="does not compute a property that depends on temperature"):
        LIVE.estimate(LIVE.params_model(log=log))


@pytest.mark.parametrize("text", ["", "[1]", "{not json", '{"a": 1}\n{"b": 2}\n'])
def test_lines_that_are_no_log_are_refused(text: str) -> None:
    with pytest.raises(FieldError, match="line"):
        read_lines(text.splitlines())


def test_a_simulation_without_a_registry_knows_what_it_was_given() -> None:
    alone = Live([SCENARIOS["flow"]])
    with pytest.raises(FieldError, match="one of flow"):
        alone.estimate(alone.params_model(scenario="burst"))


def test_the_page_on_replays_runs_as_it_stands() -> None:
    page = Path(__file__).parents[3] / "docs" / "replay.md"
    (cell,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(cell, "docs/replay.md", "exec"), names)  # noqa: S102 - our own document
    assert names["outcome"].metrics["verdict"] == "identical"
    assert names["session"].summary.stored_heat == pytest.approx(1.2e4)
