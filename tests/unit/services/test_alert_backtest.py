"""Scores of rules beside a known truth, and rules as people write them."""

import pytest

from grid.core.errors import FieldError
from grid.services.alerts.backtest import Trial, Truth, read_truth, score_rule
from grid.services.alerts.rule_reading import read_quantity, read_rule_file, read_rules

INF = float("inf")


@pytest.mark.parametrize(
    ("fires", "ends", "truths", "found"),
    [
        ([90.0], [200.0], [100.0], (0, 0, 0, [], [10.0])),  # warned ten seconds before
        ([107.0], [200.0], [100.0], (0, 0, 0, [7.0], [])),  # late
        ([10.0], [20.0], [100.0], (1, 1, 0, [], [])),  # false, and the truth is missed
        ([10.0], [], [100.0], (0, 0, 0, [], [90.0])),  # it fires all the time from then on
        ([], [], [100.0], (0, 1, 0, [], [])),
        ([10.0], [20.0], [], (1, 0, 0, [], [])),
        ([90.0, 95.0, 99.0], [92.0, 97.0, 120.0], [100.0], (0, 0, 2, [], [1.0])),  # flaps
        ([10.0, 90.0], [20.0, 120.0], [100.0], (1, 0, 0, [], [10.0])),  # 70 s apart: no flap
        ([161.0], [170.0], [100.0], (1, 1, 0, [], [])),  # just too late
    ],
)
def test_a_rule_is_scored_by_its_fires(fires, ends, truths, found):
    score = score_rule("hot", fires, ends, truths, 3600.0)

    assert (score.false_alarms, score.missed, score.flaps, score.delays, score.warnings) == found
    assert (score.fired, score.false_per_hour) == (len(fires), float(score.false_alarms))


def test_scores_of_several_courses_add_up():
    total = score_rule("hot", [90.0], [200.0], [100.0], 100.0)
    total.add(score_rule("hot", [10.0], [20.0], [], 260.0))

    assert (total.fired, total.false_alarms, total.warnings, total.length_s) == (2, 1, [10.0], 360.0)
    assert total.to_json()["false_per_hour"] == 10.0


def test_a_trial_shows_rules_every_tick():
    rules = read_rules([{"name": "hot", "metric": "highest", "raise": 10.0, "clear": 5.0, "for": "2 s"}])
    trial = Trial(rules, 1.0, Truth("highest", ">", 20.0))
    for tick, value in enumerate([0, 11, 12, 13, 14, 21, 22, 4, 3], start=1):
        trial.see(tick, {"highest": float(value)})

    (score,) = trial.scores()
    assert trial.truths == [6.0]
    assert (score.fired, score.warnings, score.false_alarms, score.length_s) == (1, [2.0], 0, 8.0)


@pytest.mark.parametrize(
    ("raw", "dimension", "unit", "found"),
    [
        (247, "temperature", "K", 247.0),
        ("247 degC", "temperature", "K", 520.15),
        ("247degC", "temperature", "degC", 247.0),
        ("520.15 K", "temperature", "degC", 247.0),
        ("212 degF", "temperature", "K", 373.15),
        ("-40 degF", "temperature", "degC", -40.0),
        ("2 degC", "difference", "K", 2.0),
        ("250 MPa", "Pa", "K", 250e6),
        ("1.5e3 K/mm", "K/m", "K", 1.5e6),
        ("80 %", "1", "K", 0.8),
        ("2 min", "s", "K", 120.0),
        ("5", "temperature", "relative", 5.0),
    ],
)
def test_a_quantity_is_read_in_the_unit_of_its_metric(raw, dimension, unit, found):
    assert read_quantity("x", raw, dimension, unit) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(
    ("raw", "dimension", "unit"),
    [
        ("247 kg", "temperature", "K"), ("247 K", "temperature", "relative"), ("5 MPa", "temperature", "K"),
        ("hot", "1", "K"), ("", "1", "K"), (True, "1", "K"), (None, "1", "K"), (float("nan"), "1", "K"),
        (INF, "1", "K"),
        ("1e999", "1", "K"), ("1" * 200, "1", "K"), ([1], "1", "K"),
    ],
)  # fmt: skip
def test_a_quantity_that_is_none_is_refused_by_its_field(raw, dimension, unit):
    with pytest.raises(FieldError) as caught:
        read_quantity("rule.raise", raw, dimension, unit)
    assert caught.value.field == "rule.raise"


def test_a_file_of_rules_is_read_and_refused_by_place():
    first = "- {name: a, metric: highest, raise: 247 degC, clear: 240 degC}\n"
    text = "rules:\n" + first + "- {name: %s, metric: mean, raise: 1, clear: %s}\n"

    assert [rule["name"] for rule in read_rule_file(text % ("b", 0))] == ["a", "b"]
    for name, clear, field in (("a", 0, "rules[1].name"), ("b", 9, "rules[1].clear_at")):
        with pytest.raises(FieldError) as caught:
            read_rule_file(text % (name, clear))
        assert caught.value.field == field
    for wrong in ("rules: 3", "[]", "3", "rules: [1]"):
        with pytest.raises(FieldError, match="rules"):
            read_rule_file(wrong)


def test_a_truth_is_a_metric_an_operator_and_a_value():
    assert read_truth("highest > 267 degC") == Truth("highest", ">", pytest.approx(540.15))
    assert read_truth("failed_cells>=1") == Truth("failed_cells", ">=", 1.0)
    for wrong in ("highest", "hotness > 1", "highest = 1", "highest > hot", "highest > 1 kg"):
        with pytest.raises(FieldError, match="truth"):
            read_truth(wrong)
    assert not Truth("highest", ">", 1.0).holds({"highest": None})
