"""Notices: sent until they arrive, at least once, later after each failure, given up after a day."""

from datetime import timedelta

import pytest
from tests.support import live_runs as words
from tests.support.alert_stage import staged
from tests.support.alert_words import tell

from grid.core.errors import UnavailableError
from grid.schemas.live import CommandKind
from grid.services.alerts.notices import NoticeSender
from grid.services.alerts.rules import RuleService

HOT = {"name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "severity": "high"}


@pytest.fixture
def stage(database_maker, tmp_path):
    with staged(database_maker, tmp_path, notifiers=("first", "second")) as one:
        words.send(one.uow, one.held.run_id, CommandKind.RULES, {"rules": [HOT]})
        one.ticks(2, ratio=1.0)
        tell(one.uow, one.held, "ok", "firing", tick=50, value=600.0, first_tick=49)
        one.ticks(4, ratio=1.0)
        yield one


def rows(stage):
    with stage.uow.read() as tx:
        return {row.notifier: row for row in tx.notices.all_of_run(stage.held.run_id)}


def test_each_notifier_gets_it_by_itself_and_a_failure_of_one_is_tried_again_with_the_same_id(stage):
    arrived, tries = [], []

    def refuse(notice):
        tries.append(notice)
        raise UnavailableError("no")

    sender = NoticeSender(stage.uow, {"first": arrived.append, "second": refuse})
    assert sender.send_due() == 1
    assert sender.send_due() == 0  # not before its time
    stage.clock.advance(10.5)
    sender.send_due()
    stage.clock.advance(10.5)
    assert sender.send_due() == 0
    assert len(tries) == 2  # the pause has doubled
    assert (len(arrived), arrived[0].version, arrived[0].payload["status"]) == (1, 1, "firing")
    assert {one.id for one in tries} == {rows(stage)["second"].id}
    assert rows(stage)["second"].error == "no"

    stage.clock.advance(60.0)
    assert NoticeSender(stage.uow, {"first": arrived.append, "second": arrived.append}).send_due() == 1
    assert rows(stage)["second"].sent_at is not None
    assert rows(stage)["second"].error is None


def test_a_sender_that_dies_in_between_sends_again(stage):
    class Death(BaseException):
        pass

    def die(_notice):
        raise Death

    arrived = []
    with pytest.raises(Death):
        NoticeSender(stage.uow, {"first": die, "second": die}).send_due()
    sender = NoticeSender(stage.uow, {"first": arrived.append, "second": arrived.append})
    assert sender.send_due() == 0
    stage.clock.advance(10.5)
    assert sender.send_due() == 2


def test_it_is_given_up_after_a_day_and_a_notifier_that_is_gone_is_named(stage):
    sender = NoticeSender(stage.uow, {"first": lambda _notice: 1 / 0})
    sender.send_due()
    assert rows(stage)["first"].error == "ZeroDivisionError"
    assert "second" in rows(stage)["second"].error
    stage.clock.advance(timedelta(hours=25).total_seconds())
    sender.send_due()

    assert {row.failed_at is not None for row in rows(stage).values()} == {True}
    stage.clock.advance(timedelta(days=1).total_seconds())
    assert sender.send_due() == 0
    with stage.uow.begin() as tx:
        assert tx.notices.oldest_waiting() is None
        assert tx.notices.purge(older_than=timedelta(hours=1)) == 2


def test_a_run_that_begins_later_gets_the_rules_of_its_owner_with_a_turn(sqlite_maker, tmp_path):
    with staged(sqlite_maker, tmp_path) as stage:
        service = RuleService(stage.uow, words.commands(stage.uow))
        stage.more = {"bring": service.bring_to}
        stage.restart()
        service.add(owner_id=stage.owner, raw=HOT)
        wall = {"name": "slow", "metric": "rate_ratio", "op": "<", "raise": 0.8, "clear": 0.9, "clock": "wall"}
        service.add(owner_id=stage.owner, raw=wall)
        later = words.start(stage.uow, stage.owner)
        with stage.uow.read() as tx:
            assert tx.alert_rules.find_sent_rules(later.run_id) is None
        stage.turn()
        with stage.uow.read() as tx:
            assert [one["name"] for one in tx.alert_rules.find_sent_rules(later.run_id)] == ["hot"]
            seqs = tx.live_runs.find(later.run_id).next_seq
        stage.turn()
        with stage.uow.read() as tx:
            assert tx.live_runs.find(later.run_id).next_seq == seqs  # once
            assert tx.alert_rules.find_state(later.run_id, "slow").origin == "owner"
