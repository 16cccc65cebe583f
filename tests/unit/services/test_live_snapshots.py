from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import live_runs as words
from tests.support.databases import HandClock, opened
from tests.support.ledgers import add_owner

from grid.core.errors import NotFoundError
from grid.core.ids import new_id
from grid.database.live_snapshots import SnapshotRecord
from grid.database.uow import UnitOfWork
from grid.schemas.live import CommandKind
from grid.services import live
from grid.services.live import LiveLimits
from grid.services.live.snapshots import choose_kept

START = HandClock().time


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def record(at_s, *, pinned=False):
    at = START + timedelta(seconds=at_s)
    return SnapshotRecord(new_id(), new_id(), 0, 1, 0, "k", 1, "s", "auto", pinned, at)


@pytest.fixture(scope="module")
def history():
    """What is kept after each of an hour's and a half snapshots of every 5 s, with its ages in seconds."""
    kept, seen = [], []
    for at_s in range(0, 5400, 5):
        kept.append(record(at_s))
        now = START + timedelta(seconds=at_s)
        chosen = choose_kept(kept, now)
        kept = [one for one in kept if one.id in chosen]
        seen.append((at_s, [(now - one.created_at).total_seconds() for one in kept]))
    return seen


def test_the_last_three_stay(history):
    for at_s, ages in history[2:]:
        assert sorted(ages)[:3] == [0, 5, 10], at_s


def test_their_number_grows_with_the_logarithm_of_the_age(history):
    for at_s, ages in history:
        assert len(ages) <= 3 + 1 + (at_s // 60).bit_length(), at_s


def test_every_age_has_one_within_a_factor_of_three(history):
    """A span [2^k, 2^(k+1)) min keeps its oldest until it leaves; the next enters within as long as the span before."""
    for at_s, ages in history:
        for age in range(60, at_s - 60, 20):
            assert any(age / 3 <= one <= 3 * age for one in ages), (at_s, age, ages)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=40))
def test_what_is_kept_is_kept_again_and_all_that_is_pinned(times):
    every = [record(at_s, pinned=pinned) for at_s, pinned in times]
    now = START + timedelta(seconds=10_000)

    kept = choose_kept(every, now)

    assert choose_kept([one for one in every if one.id in kept], now) == kept
    assert {one.id for one in every if one.pinned} <= kept
    assert len(kept) >= min(3, len(every))


def test_rows_follow_the_rule_and_files_are_named_for_removal(database_maker, tmp_path):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        owner = add_owner(uow)
        claim = words.start(uow, owner)
        pinned, _ = words.snapshot(uow, claim, 0, kind="user", pinned=True)
        stored, removed = [], []
        for tick in range(1, 40):
            clock.advance(5)
            one, answer = words.snapshot(uow, claim, tick)
            stored.append(one)
            removed += [gone.id for gone in answer.removed]

        rows = live.list_snapshots(uow, owner_id=owner, run_id=claim.run_id)
        newest = words.get(uow, claim.run_id).snapshot_id

    assert {row.id for row in rows} == {*stored, pinned} - set(removed)
    assert (rows[0].id, rows[0].tick, newest) == (stored[-1], 39, stored[-1])
    assert len(rows) <= 3 + 1 + 2 + 1
    assert len(removed) == len(set(removed))


def test_a_checkpoint_is_an_event_with_its_hash(uow, owner):
    claim = words.start(uow, owner)
    words.snapshot(uow, claim, 4)
    one, _ = words.snapshot(uow, claim, 5, kind="user", pinned=True)

    (event,) = live.read_events(uow, owner_id=owner, run_id=claim.run_id, kinds=["snapshot"])

    assert event.payload == {"id": str(one), "tick": 5, "sha256": "cd" * 32, "for": "user"}


def test_beyond_the_bytes_of_an_owner_the_oldest_unpinned_go_and_of_no_run_the_newest(uow, owner):
    limits = LiveLimits(snapshot_bytes=3500)
    first, second = words.start(uow, owner), words.start(uow, owner)
    newest_of_first, _ = words.snapshot(uow, first)
    pinned, _ = words.snapshot(uow, second, 1, pinned=True, kind="user")
    old, _ = words.snapshot(uow, second, 2)

    answers = []
    for tick in (3, 4):
        one = words.new_snapshot(second, tick)
        answers.append([gone.id for gone in live.add_snapshot(uow, second, one, limits=limits).removed])

    assert answers[0] == [old]
    assert len(answers[1]) == 1
    with uow.read() as tx:
        left = [row.id for run in (first, second) for row in tx.live_snapshots.of_run(run.run_id)]
        assert tx.live_snapshots.bytes_of(owner) == 3000
    assert {newest_of_first, pinned} < set(left)


def test_files_without_a_row_are_named(uow, owner):
    claim = words.start(uow, owner)
    kept = words.new_snapshot(claim)
    live.add_snapshot(uow, claim, kept)
    result = f"live/{claim.run_id}/1/result.npy"
    words.send(uow, claim.run_id, CommandKind.STOP)
    live.conclude_run(uow, claim, {"files": [{"key": result}]}, tick=3)
    lost = [f"live/{claim.run_id}/1/{new_id()}", f"live/{new_id()}/1/{new_id()}"]

    found = live.find_unknown_files(uow, [kept.key, result, *lost, "packs/20260101/a.npy", "live/x/1/y"])

    assert found == set(lost)


def test_a_file_of_a_run_that_lives_is_not_taken_for_lost_before_another_owner_had_the_run_for_a_while(uow, owner):
    claim = words.start(uow, owner)
    key = f"live/{claim.run_id}/1/1-state-5"
    assert live.find_unknown_files(uow, [key]) == set()  # its row may be on its way
    again = live.restart_run(uow, claim, worker_id="worker-1", lease_s=10.0)
    assert again is not None
    assert live.find_unknown_files(uow, [key]) == {key}
    assert live.find_unknown_files(uow, [key], older_than=timedelta(hours=1)) == set()


def test_a_pin_holds_until_it_is_released(uow, owner):
    claim = words.start(uow, owner)
    one, _ = words.snapshot(uow, claim)
    where = {"owner_id": owner, "run_id": claim.run_id, "snapshot_id": one}

    live.pin_snapshot(uow, **where)
    with uow.begin() as tx:
        assert tx.live_snapshots.remove([one]) == 0
    live.pin_snapshot(uow, **where, pinned=False)
    with uow.begin() as tx:
        assert tx.live_snapshots.remove([one]) == 1

    for wrong in ({**where, "owner_id": add_owner(uow, "bob")}, {**where, "snapshot_id": new_id()}):
        with pytest.raises(NotFoundError):
            live.pin_snapshot(uow, **wrong)
