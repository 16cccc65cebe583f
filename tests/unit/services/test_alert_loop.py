"""Evaluation of alerts by a clock that the test turns: covers, rules in wall time, inhibition, silences, notices."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import live_runs as words
from tests.support.alert_stage import staged
from tests.support.alert_words import alert_event, tell

from grid.schemas.alerts import AlertState
from grid.schemas.live import CommandKind, RunReason
from grid.services import live
from grid.services.alerts.loop import take_lock
from grid.services.alerts.silences import NewSilence, add_silence
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.live.rule_transitions import record_alert_events


@pytest.fixture
def stage(sqlite_maker, tmp_path):
    with staged(sqlite_maker, tmp_path) as one:
        yield one


@pytest.fixture
def stage_anywhere(database_maker, tmp_path):
    """The same on either database, for what asks it the most."""
    with staged(database_maker, tmp_path) as one:
        yield one


def test_every_run_has_the_rules_of_grid_and_a_calm_one_writes_nothing_more(stage):
    stage.ticks(3, ratio=1.0, balance_residual=1e-13, time_error=1e-3, is_lumped=0.0)

    for name in ("run-stale", "worker-lost", "behind", "balance-residual", "time-error", "forced-model"):
        state = stage.state(name)
        assert (state.origin, state.shown, state.alert) == ("builtin", "ok", 0)
    before = [stage.state(name).changed_at for name in ("run-stale", "behind")]
    stage.ticks(3, ratio=1.0)
    assert [stage.state(name).changed_at for name in ("run-stale", "behind")] == before
    assert stage.alerts() == {}


def test_silence_of_a_run_is_stale_then_no_data_and_its_first_sample_returns(stage):
    stage.ticks(2, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=40, value=600.0, first_tick=40)
    stage.turn()
    for _ in range(3):
        stage.turn()
    assert (stage.state("hot").value, stage.state("hot").shown) == ("firing", "stale")
    assert stage.alerts()["run-stale"].state is AlertState.FIRING
    assert stage.alerts()["hot"].inhibited_by == "run-stale"

    for _ in range(30):
        stage.turn()
    assert stage.state("hot").shown == "no_data"
    assert stage.alerts()["hot"].cover == "no_data"
    assert stage.alerts()["hot"].state is AlertState.FIRING  # nothing resolves by silence

    stage.ticks(2, ratio=1.0)
    assert stage.state("hot").shown == "firing"
    assert stage.transitions("hot") == [
        ("ok", "firing"),
        ("firing", "stale"),
        ("stale", "no_data"),
        ("no_data", "firing"),
    ]
    assert stage.alerts()["hot"].number == 1
    assert stage.alerts()["run-stale"].state is AlertState.RESOLVED
    assert stage.alerts()["hot"].inhibited_by is None


def test_a_pause_is_not_staleness_and_time_counts_from_its_end(stage):
    stage.ticks(2, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=40, value=600.0, first_tick=40)
    words.send(stage.uow, stage.held.run_id, CommandKind.PAUSE)
    live.pause_run(stage.uow, stage.held)
    for _ in range(60):
        stage.turn()
    assert stage.state("hot").shown == "suspended"
    assert "run-stale" not in stage.alerts()

    words.send(stage.uow, stage.held.run_id, CommandKind.RESUME)
    live.continue_run(stage.uow, stage.held)
    stage.turn()
    assert stage.state("hot").shown == "firing"
    stage.turn()
    stage.ticks(1, ratio=1.0)
    assert stage.transitions("hot")[1:] == [("firing", "suspended"), ("suspended", "firing")]
    assert "run-stale" not in stage.alerts()


def test_the_end_of_a_run_leaves_its_alerts_unresolved_and_closes_its_rules(stage_anywhere):
    stage = stage_anywhere
    stage.ticks(1, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=40, value=600.0, first_tick=40)
    live.fail_run(stage.uow, stage.held, RunReason.DIVERGED)
    stage.turn()

    alert = stage.alerts()["hot"]
    assert (alert.state, alert.ended_by) == (AlertState.UNRESOLVED, "end")
    assert {stage.state(name).shown for name in ("hot", "run-stale", "behind")} == {"closed"}
    stage.turn()
    assert stage.transitions("hot")[-1] == ("firing", "closed")


def test_a_worker_that_goes_away_inhibits_everything_else(stage):
    stage.ticks(1, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=40, value=600.0, first_tick=40)
    live.hand_back_runs(stage.uow, [stage.held])
    for _ in range(5):
        stage.turn()

    alerts = stage.alerts()
    assert alerts["worker-lost"].state is AlertState.FIRING
    assert (alerts["worker-lost"].inhibited_by, alerts["run-stale"].inhibited_by) == (None, "worker-lost")
    assert alerts["hot"].inhibited_by == "worker-lost"


def test_a_rule_in_wall_time_waits_holds_and_survives_restarts(stage_anywhere):
    stage = stage_anywhere
    stage.ticks(2, ratio=1.0)
    stage.ticks(2, ratio=0.5)
    assert stage.state("behind").value == "pending"
    for _ in range(2):
        stage.restart()
        stage.ticks(1, ratio=0.5)
    assert stage.state("behind").value == "firing"
    assert stage.alerts()["behind"].first_value == 0.5

    stage.ticks(3, ratio=1.0)
    assert stage.state("behind").value == "holding"
    stage.restart()
    stage.ticks(1, ratio=0.95)  # the dead band: the hold starts anew
    stage.restart()
    stage.ticks(4, ratio=1.0)
    assert stage.state("behind").value == "holding"
    stage.ticks(2, ratio=1.0)
    assert (stage.state("behind").value, stage.alerts()["behind"].state) == ("ok", AlertState.RESOLVED)


def test_lack_of_data_fires_where_a_rule_asks_for_it(stage_anywhere):
    stage = stage_anywhere
    rules = [
        {"name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "no_data": "fire", "severity": "high"}
    ]
    words.send(stage.uow, stage.held.run_id, CommandKind.RULES, {"rules": rules})
    stage.ticks(2, ratio=1.0)
    assert stage.state("hot.no-data").origin == "builtin"
    for _ in range(32):
        stage.turn()
    alert = stage.alerts()["hot.no-data"]
    assert (alert.state, alert.severity) == (AlertState.FIRING, "high")
    stage.ticks(1, ratio=1.0)
    assert stage.alerts()["hot.no-data"].state is AlertState.RESOLVED


def test_lack_of_data_resolves_where_a_rule_asks_for_it_and_says_by_what(stage):
    rules = [{"name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "no_data": "ok"}]
    words.send(stage.uow, stage.held.run_id, CommandKind.RULES, {"rules": rules})
    stage.ticks(1, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=40, value=600.0, first_tick=40)
    for _ in range(32):
        stage.turn()
    assert (stage.alerts()["hot"].state, stage.alerts()["hot"].ended_by) == (AlertState.RESOLVED, "no_data")

    stage.ticks(2, ratio=1.0)
    alert = stage.alerts()["hot"]
    assert (alert.state, alert.ended_by, alert.number) == (AlertState.FIRING, None, 1)


def test_a_definition_that_comes_after_its_alert_is_given_to_it(stage):
    tell(stage.uow, stage.held, "ok", "firing", tick=4, value=600.0, first_tick=4)
    assert stage.alerts()["hot"].severity is None
    rules = [{"name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "severity": "high", "region": "r1"}]
    words.send(stage.uow, stage.held.run_id, CommandKind.RULES, {"rules": rules})
    stage.ticks(1, ratio=1.0)

    alert = stage.alerts()["hot"]
    assert (alert.severity, alert.region, alert.metric) == ("high", "r1", "highest")


def test_a_higher_severity_inhibits_the_lower_of_the_same_metric_and_region(stage):
    rules = [
        {"name": "warm", "metric": "highest", "raise": 400.0, "clear": 390.0, "severity": "low"},
        {"name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "severity": "high"},
        {"name": "warm-there", "metric": "highest", "region": "r1", "raise": 400.0, "clear": 390.0, "severity": "low"},
    ]
    words.send(stage.uow, stage.held.run_id, CommandKind.RULES, {"rules": rules})
    stage.ticks(1, ratio=1.0)
    for rule in ("warm", "hot", "warm-there"):
        tell(stage.uow, stage.held, "ok", "firing", rule=rule, tick=40, value=600.0, first_tick=40)
    stage.ticks(1, ratio=1.0)

    assert {name: alert.inhibited_by for name, alert in stage.alerts().items()} == {
        "warm": "hot",
        "hot": None,
        "warm-there": None,
    }
    tell(stage.uow, stage.held, "firing", "ok", rule="hot", tick=70, value=450.0)
    stage.ticks(1, ratio=1.0)
    assert stage.alerts()["warm"].inhibited_by is None


def fire_hot(stage, **rule):
    rules = [{"name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "severity": "high", **rule}]
    words.send(stage.uow, stage.held.run_id, CommandKind.RULES, {"rules": rules})
    stage.ticks(3, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=100, value=600.0, first_tick=98)


def notices_of(stage):
    with stage.uow.read() as tx:
        return tx.notices.all_of_run(stage.held.run_id)


def test_a_group_waits_tells_once_repeats_and_tells_the_end(stage):
    fire_hot(stage)
    stage.ticks(1, ratio=1.0)
    assert notices_of(stage) == []
    stage.ticks(3, ratio=1.0)
    (first,) = notices_of(stage)
    assert (first.version, first.notifier, first.payload["status"]) == (1, "log", "firing")
    assert [alert["rule"] for alert in first.payload["firing"]] == ["hot"]

    for _ in range(14):
        stage.clock.advance(239.0)
        stage.ticks(1, ratio=1.0)
    assert len(notices_of(stage)) == 1
    stage.clock.advance(250.0)
    stage.ticks(1, ratio=1.0)
    assert [one.version for one in notices_of(stage)] == [1, 2]

    tell(stage.uow, stage.held, "firing", "ok", tick=200, value=400.0)
    stage.ticks(10, ratio=1.0)
    assert len(notices_of(stage)) == 2  # not within group_interval
    stage.ticks(25, ratio=1.0)
    last = notices_of(stage)[-1]
    assert (last.version, last.payload["status"]) == (3, "resolved")
    assert [alert["ended_by"] for alert in last.payload["resolved"]] == ["value"]


def test_after_a_restart_nothing_leaves_before_the_wait(stage):
    fire_hot(stage)
    stage.clock.advance(10.0)
    stage.sample(ratio=1.0)
    stage.restart()
    stage.loop.take_turn()
    assert notices_of(stage) == []
    stage.ticks(1, ratio=1.0)
    assert notices_of(stage) == []
    stage.ticks(3, ratio=1.0)
    assert len(notices_of(stage)) == 1


def silence(stage, seconds=3600.0, **more):
    matchers = [{"name": "rule", "value": "hot"}, {"name": "run", "value": str(stage.held.run_id)}]
    new = NewSilence(matchers, "maintenance", stage.clock() + timedelta(seconds=seconds), **more)
    return add_silence(stage.uow, owner_id=stage.owner, new=new)


def test_a_silence_hides_from_notices_and_its_end_shows_at_once(stage_anywhere):
    stage = stage_anywhere
    made = silence(stage, 1800.0)
    fire_hot(stage)
    stage.ticks(10, ratio=1.0)
    alert = stage.alerts()["hot"]
    assert (alert.state, alert.silence_id) == (AlertState.FIRING, made.id)
    assert notices_of(stage) == []
    with stage.uow.read() as tx:
        assert tx.silences.find(made.id).hidden == [str(alert.id)]

    stage.clock.advance(1250.0)
    stage.ticks(1, ratio=1.0)
    with stage.uow.read() as tx:
        assert tx.silences.find(made.id).warned_at is not None
    stage.clock.advance(600.0)
    stage.ticks(1, ratio=1.0)
    with stage.uow.read() as tx:
        assert tx.silences.find(made.id).end_reason == "expired"
    assert stage.alerts()["hot"].silence_id is None
    stage.ticks(4, ratio=1.0)
    assert len(notices_of(stage)) == 1


def test_a_silence_ends_when_its_metric_is_below(stage):
    made = silence(stage, until_below={"metric": "highest", "value": 450.0})
    fire_hot(stage)
    stage.ticks(2, ratio=1.0, highest=600.0)
    with stage.uow.read() as tx:
        assert tx.silences.find(made.id).ended_at is None
    stage.ticks(1, ratio=1.0, highest=440.0)
    with stage.uow.read() as tx:
        assert tx.silences.find(made.id).end_reason == "below"


def test_a_silence_that_matches_nothing_for_an_hour_ends(stage):
    made = silence(stage, 86_400.0)
    stage.clock.advance(3599.0)
    stage.ticks(1, ratio=1.0)
    with stage.uow.read() as tx:
        assert tx.silences.find(made.id).end_reason == "unmatched"


@pytest.mark.postgres
def test_of_two_servers_one_evaluates_at_a_time(postgres_maker, tmp_path):
    with staged(postgres_maker, tmp_path) as stage:
        stage.sample(ratio=1.0)
        with stage.uow.begin() as tx:
            assert take_lock(tx)
            stage.turn()
            assert stage.state("behind") is None
        stage.turn()
        assert stage.state("behind") is not None


@pytest.mark.postgres
def test_the_loop_holds_a_run_before_its_alerts_as_a_worker_does(postgres_maker, tmp_path):
    """A worker has the run and is about to change an alert while the loop covers it: the loop waits without it."""
    follow = IncidentFollower(RunbookFolder(tmp_path))
    with staged(postgres_maker, tmp_path, follow=follow) as stage:
        run_id, limits = stage.held.run_id, {"metric": "highest", "raise": 500.0, "clear": 490.0}
        rules = [
            {"name": "warm", **limits, "severity": "low"},
            {"name": "hot", **limits, "severity": "critical", "runbook": "x"},
        ]
        words.send(stage.uow, run_id, CommandKind.RULES, {"rules": rules})
        stage.ticks(1, ratio=1.0)
        for rule in ("warm", "hot"):
            tell(stage.uow, stage.held, "ok", "firing", rule=rule, tick=100, value=9.0, first_tick=100)
        thread = threading.Thread(target=stage.loop.take_turn)
        with stage.uow.begin() as tx:
            run = tx.live_runs.hold(run_id)
            thread.start()
            waits = "wait_event_type = 'Lock' AND datname = current_database()"
            waiting = sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE {waits}")
            while thread.is_alive() and not tx.connection.execute(waiting).scalar_one():
                tx.connection.execute(sa.text("SELECT pg_sleep(0.01), pg_stat_clear_snapshot()"))
            assert thread.is_alive()  # it waits for the run
            record_alert_events(tx, run, [alert_event("firing", "ok", rule="warm", tick=101, value=1.0)])
        thread.join()

        alerts = stage.alerts()
        assert alerts["warm"].state is AlertState.RESOLVED
        assert alerts["hot"].incident_id is not None


MOMENTS = st.lists(st.sampled_from(["sample", "silent", "pause", "resume", "turn", "restart"]), min_size=5, max_size=30)


@given(moments=MOMENTS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_restarts_and_turns_at_any_moment_change_no_transition(sqlite_maker, tmp_path_factory, moments):
    """A loop that is started anew before every turn says what one says that lives all the time."""
    found = []
    for restarts in (False, True):
        with staged(sqlite_maker, tmp_path_factory.mktemp("stage")) as stage:
            stage.ticks(1, ratio=1.0)
            tell(stage.uow, stage.held, "ok", "firing", tick=20, value=600.0, first_tick=20)
            is_paused = False
            for moment in moments:
                stage.clock.advance(1.0)
                if moment == "sample" and not is_paused:
                    stage.sample(ratio=0.5 if stage.tick % 64 else 1.0)
                elif moment == "silent":
                    stage.clock.advance(4.0)
                elif moment == "pause" and not is_paused:
                    words.send(stage.uow, stage.held.run_id, CommandKind.PAUSE)
                    live.pause_run(stage.uow, stage.held)
                    is_paused = True
                elif moment == "resume" and is_paused:
                    words.send(stage.uow, stage.held.run_id, CommandKind.RESUME)
                    live.continue_run(stage.uow, stage.held)
                    is_paused = False
                if restarts and moment in {"restart", "turn"}:
                    stage.restart()
                stage.loop.take_turn()
            names = ("hot", "run-stale", "behind", "worker-lost")
            found.append({name: stage.transitions(name) for name in names})
    assert found[0] == found[1]
