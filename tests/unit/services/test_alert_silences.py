"""Silences on a clock of their own: what they match, and when they end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from grid.core.ids import new_id
from grid.database.alerts import AlertRecord
from grid.database.silences import SilenceRecord
from grid.schemas.alerts import AlertState
from grid.services.alerts.matching import MATCHED, does_match, find_inhibitions, find_silence
from grid.services.alerts.silences import UNMATCHED, find_due

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, RUN = new_id(), new_id()
VALUES = {"rule": ["hot", "cold"], "run": [str(RUN), "x"], "severity": ["high", "low"], "region": ["r1", "r2"]}
VALUES |= {"metric": ["highest", "mean"], "label.team": ["a", "b"]}


def alert(**values):
    fields = {
        "rule": "hot", "run_id": RUN, "owner_id": OWNER, "severity": "high", "region": "r1", "state": AlertState.FIRING,
        "definition": {"metric": "highest", "labels": {"team": "a"}},
    }  # fmt: skip
    return AlertRecord(**dict.fromkeys(AlertRecord.__dataclass_fields__) | fields | values)


def silence(matchers=(), **values):
    fields = {
        "id": new_id(), "owner_id": OWNER, "matchers": list(matchers), "created_at": BEGIN, "matched_at": BEGIN,
        "until": BEGIN + timedelta(hours=9), "hidden": [],
    }  # fmt: skip
    return SilenceRecord(**dict.fromkeys(SilenceRecord.__dataclass_fields__) | fields | values)


MATCHERS = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: st.builds(
            lambda op, value: {"name": name, "op": op, "value": value},
            st.sampled_from(["=", "!="]), st.sampled_from(VALUES[name]),
        )
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(matchers=MATCHERS)
def test_a_silence_matches_where_every_matcher_agrees(matchers):
    """Of every name the first of its values is the alert's own."""
    wanted = all((one["value"] == VALUES[one["name"]][0]) == (one["op"] == "=") for one in matchers)

    assert does_match(silence(matchers), alert()) == wanted
    assert not does_match(silence(matchers, owner_id=new_id()), alert())


def test_every_name_can_be_matched_and_an_alert_without_a_value_is_not_equal():
    assert {*MATCHED, "label.team"} == set(VALUES)
    bare = alert(region=None, definition={"metric": "highest"})
    for name in ("region", "label.team"):
        assert not does_match(silence([{"name": name, "op": "=", "value": "a"}]), bare)
        assert does_match(silence([{"name": name, "op": "!=", "value": "a"}]), bare)


def test_the_oldest_silence_that_matches_is_named():
    first, second = (silence([{"name": "rule", "op": "=", "value": "hot"}]) for _ in range(2))

    assert find_silence([silence([{"name": "rule", "op": "=", "value": "cold"}]), first, second], alert()) is first


@given(
    until_s=st.integers(60, 20_000),
    limit=st.none() | st.floats(-10, 10),
    course=st.lists(st.tuples(st.integers(1, 4000), st.booleans(), st.none() | st.floats(-20, 20)), max_size=30),
)
def test_a_silence_ends_at_the_first_of_its_three_ends_and_not_before(until_s, limit, course):
    """By its time, by its metric, or after an hour in which nothing matched; looked at whenever somebody looks."""
    below = None if limit is None else {"metric": "mean", "value": limit}
    one = silence(until=BEGIN + timedelta(seconds=until_s), until_below=below)
    now, matched = 0, 0
    for pause, does_hide, metric in course:
        now += pause
        found = find_due(one, BEGIN + timedelta(seconds=now), metric)
        ends = {
            "expired": now >= until_s,
            "below": limit is not None and metric is not None and metric < limit,
            "unmatched": now - matched >= UNMATCHED.total_seconds(),
        }
        assert (found is not None) == any(ends.values())
        if found is not None:
            assert ends[found]
            return
        if does_hide:
            matched = now
            one = replace(one, matched_at=BEGIN + timedelta(seconds=now))


def test_what_inhibits_an_alert_is_named_by_health_region_severity_and_label():
    def of(rule, **more):
        labels, metric = more.pop("labels", {}), more.pop("metric", rule)
        return alert(id=new_id(), rule=rule, definition={"metric": metric, "labels": labels}, **more)

    fan = of("fan", labels={"inhibits": "hot, odd"})
    hot, odd, calm = of("hot"), of("odd", labels={"inhibits": "fan"}), of("calm", region="r9")
    low, high = of("low", metric="mean", severity="low"), of("high", metric="mean")
    lost, stale = of("worker-lost", region=None), of("run-stale", region=None)
    values = [fan, hot, odd, calm, low, high]

    assert find_inhibitions(values) == {hot.id: "fan", low.id: "high"}  # fan and odd name each other: neither
    assert find_inhibitions(values, {"r9"})[calm.id] == "region r9"
    covered = find_inhibitions([stale, *values, lost])
    assert set(covered) == {one.id for one in (stale, *values)}
    assert set(covered.values()) == {"worker-lost"}
