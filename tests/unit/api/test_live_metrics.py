"""Metrics of live runs over HTTP: the newest with their age, and the history by columns and as CSV."""

import csv
import io
import math

import pytest
from tests.support import live_runs as words

from grid.database.live_samples import Sample
from grid.schemas.live import SAMPLE_METRICS
from grid.services import live
from grid.services.live import Look
from grid.services.live.pyramid import MetricSpan, pack_spans

RUNS = "/api/v1/engine/runs"
HIGHEST, SHARE, LUMPED = (SAMPLE_METRICS.index(name) for name in ("highest", "share", "is_lumped"))


def row(level, place, highest, lumped=0.0, metrics=None):
    """A row of samples: `highest` swings by one about a value, `share` is not known, all else is 2."""
    spans = [MetricSpan(2.0, 2.0, 2.0, 2.0)] * len(SAMPLE_METRICS)
    spans[HIGHEST] = MetricSpan(highest - 1.0, highest + 1.0, highest, highest + 0.5)
    spans[SHARE] = MetricSpan(*(4 * (math.nan,)))
    spans[LUMPED] = MetricSpan(*(4 * (lumped,)))
    return Sample(level, place, pack_spans(spans[:metrics]))


@pytest.fixture
def run_id(alice, uow):
    """A run with 8 ticks of samples."""
    claim = words.start(uow, alice.user_id)
    samples = [row(0, place, 300.0 + place, lumped=float(place >= 6)) for place in range(8)]
    live.write_looks(uow, [Look(claim, tick=8, samples=samples)])
    return claim.run_id


def test_the_newest_metrics_come_with_state_model_and_age(alice, run_id):
    shown = alice.get(f"{RUNS}/{run_id}/metrics").json()

    assert (shown["status"], shown["model"], shown["policy"], shown["tick"]) == ("running", "lumped", "auto", 8)
    assert (shown["first_tick"], shown["end_tick"], shown["time_s"]) == (7, 8, 8 * 0.03125)
    assert (shown["metrics"]["highest"], shown["metrics"]["share"], shown["metrics"]["mean"]) == (307.5, None, 2.0)
    assert 0.0 <= shown["age_s"] < 60.0


def test_the_newest_row_is_the_one_that_ends_last_and_may_be_short(alice, uow, run_id):
    with uow.begin() as tx:
        tx.live_samples.put(run_id, [row(3, 4, 400.0, metrics=3)])

    shown = alice.get(f"{RUNS}/{run_id}/metrics").json()

    assert (shown["first_tick"], shown["end_tick"], shown["model"]) == (32, 40, None)
    assert (shown["metrics"]["highest"], shown["metrics"]["gradient"]) == (400.5, None)


def test_a_history_is_columns_of_the_coarsest_rows_that_are_enough(alice, run_id):
    def history(**query):
        answer = alice.get(f"{RUNS}/{run_id}/metrics/history", params={"metric": ["highest", "share"], **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    fine, coarse = history(points=8), history(points=4)

    assert (fine["level"], fine["ticks_of_a_row"], fine["first_tick"]) == (0, 1, list(range(8)))
    assert fine["time_s"] == [tick * 0.03125 for tick in range(1, 9)]
    assert fine["metrics"]["highest"]["max"] == [301.0 + tick for tick in range(8)]
    assert fine["metrics"]["share"]["mean"] == [None] * 8
    assert list(fine["metrics"]) == ["highest", "share"]
    assert (coarse["level"], coarse["first_tick"]) == (1, [0, 2, 4, 6])
    assert coarse["metrics"]["highest"] == {
        "min": [299.0, 301.0, 303.0, 305.0], "max": [302.0, 304.0, 306.0, 308.0],
        "mean": [300.5, 302.5, 304.5, 306.5], "last": [301.5, 303.5, 305.5, 307.5],
    }  # fmt: skip
    assert history(points=2, **{"from": 3, "to": 4})["first_tick"] == [0, 4]
    assert history(points=3, **{"from": 2, "to": 7})["first_tick"] == [2, 4, 6]


def test_a_history_as_csv_has_the_same_numbers(alice, run_id):
    answer = alice.get(f"{RUNS}/{run_id}/metrics/history", params={"format": "csv", "points": 8})

    assert answer.headers["content-type"].startswith("text/csv")
    assert f"{run_id}.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0])[:3] == ["first_tick", "end_tick", "time_s"]
    assert len(rows[0]) == 3 + 4 * len(SAMPLE_METRICS)
    assert [(row["first_tick"], row["highest_last"], row["share_max"]) for row in rows[:2]] == [
        ("0", "300.5", ""), ("1", "301.5", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"metric": "mood"}, "metric"),
        ({"points": 0}, "points"),
        ({"points": 2001}, "points"),
        ({"from": -1}, "from"),
        ({"from": 5, "to": 4}, "to"),
        ({"format": "xml"}, "format"),
        ({"hz": 3}, "hz"),
    ],
)
def test_an_unfitting_question_is_refused_by_name(alice, run_id, query, field):
    answer = alice.get(f"{RUNS}/{run_id}/metrics/history", params=query)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_a_run_without_samples_has_an_empty_history(alice, uow):
    run = words.submit(uow, alice.user_id)

    answer = alice.get(f"{RUNS}/{run.id}/metrics/history", params={"metric": "mean"}).json()

    assert (answer["first_tick"], answer["metrics"]["mean"]["max"]) == ([], [])
