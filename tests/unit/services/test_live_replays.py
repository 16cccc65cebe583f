"""Replays and branches of live runs, carried out by the loop of a child and kept in the ledger."""

import json
from uuid import uuid4

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support import live_runs as words
from tests.support.ledgers import add_owner
from tests.support.live_carrier import Carrier, submit
from tests.support.service import CountingBell, make_service

from grid.core.errors import AdmissionError, FieldError, NotFoundError
from grid.plugins.registry import load_registry
from grid.schemas.live import CommandKind, RunReason, RunState
from grid.schemas.live_log import read_lines
from grid.services import audit, live
from grid.services.live import BranchRequest, CommandRequest, LiveBranchService, LiveLimits, TooManyRunsError
from grid.services.live.commands import RunStateError
from grid.services.live.replays import LiveReplayService

LIVE = load_registry().get("live")
K = CommandKind
CASCADE = {"params": {"regions": 4, "capacity": 1.1}, "cells": (8, 8)}
BURST = {"kind": "burst", "position_m": [0.005, 0.3, 0.4], "radius_m": 0.1, "energy_j": 4e4, "duration_s": 30.0}
DAMAGE = {"kind": "damage", "region": "all", "conductivity_factor": 0.5, "damage": 0.3}
FIRST = CommandRequest(K.EVENT, BURST, "first")
CHECKPOINT = CommandRequest(K.CHECKPOINT, {})


@pytest.fixture
def owner(uow):
    return add_owner(uow)


@pytest.fixture
def store():
    return MemoryArtifactStore()


def carry(uow, store, until, *steps):
    claimed = words.claim(uow)
    assert claimed is not None
    carrier = Carrier(uow, store, claimed, until, steps)
    return carrier.run(), carrier


def branches(uow, store, **limits):
    return LiveBranchService(uow, store, CountingBell(), LiveLimits(runs_of_owner=100, waiting_runs=100, **limits))


def branch(uow, store, owner, run_id, **request):
    return branches(uow, store).branch(BranchRequest(**request), actor_id=owner, owner_id=owner, run_id=run_id)


def verdict_of(uow, owner, run_id, **changes):
    """The verdict of the job that replays a run."""
    log = live.read_log(uow, owner_id=owner, run_id=run_id).document
    outcome = LIVE.solve([LIVE.params_model.model_validate({"log": log, **changes})], lambda _: frozenset()).outcomes[0]
    return outcome.metrics["verdict"], outcome


def test_the_exported_log_of_a_run_with_bursts_damage_cascade_and_switches_is_replayed_identically(uow, owner, store):
    run_id = submit(uow, owner, "burst", cells=(8, 8), params={"power": 300.0})
    weak = {"kind": "flow", "face": "y_min", "heat_flux_w_m2": 0.5, "duration_s": 20.0}
    steps = [
        (5, CommandRequest(K.EVENT, weak, at_s=90.0)), (20, CommandRequest(K.EVENT, weak)),
        (60, CommandRequest(K.EVENT, {**BURST, "energy_j": 1e4})), (70, CommandRequest(K.EVENT, DAMAGE)),
        (75, CommandRequest(K.MODEL, {"model": "diffusive"})), (80, CommandRequest(K.SPEED, {"speed": 2})),
        (85, CommandRequest(K.END_EVENT, {"seq": 6})),
        (90, CommandRequest(K.RULES, {"rules": [{"name": "warm", "metric": "mean", "raise": 20.1, "clear": 20.0}]})),
    ]  # fmt: skip
    ended, _ = carry(uow, store, 120, *steps)
    lines = list(live.export_log(uow, owner_id=owner, run_id=run_id))
    log = read_lines(lines)
    kinds = {event[1] for event in log["events"]}
    assert kinds >= {"applied", "refused", "switch", "alert"}
    assert log["end"] == {"tick": ended.tick, "field_sha256": ended.field_sha256}
    assert log["checks"]

    word, outcome = verdict_of(uow, owner, run_id)

    assert word == "identical", outcome.log
    assert {one["verdict"] for one in outcome.audits} == {"passed"}
    assert outcome.field_sha256 == ended.field_sha256


def test_a_cascade_under_way_is_replayed_up_to_now(sqlite_uow, store):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    run_id = submit(uow, owner, "cascade", **CASCADE)
    seen = []

    def look():
        seen.append(verdict_of(uow, owner, run_id))

    carry(uow, store, 160, (100, FIRST), (150, look))
    assert [word for word, _ in seen] == ["identical"]
    assert 100 < seen[0][1].metrics["ticks"] < 160
    word, outcome = verdict_of(uow, owner, run_id)
    assert (word, outcome.metrics["failed_regions"] > 1) == ("identical", True)


def test_a_replay_is_a_job_that_holds_the_log(uow, owner, store, tmp_path):
    run_id = submit(uow, owner, "cascade", **CASCADE)
    service = make_service(uow, tmp_path)
    replays = LiveReplayService(uow, service.submissions)
    with pytest.raises(RunStateError, match="ticked"):
        replays.replay(actor_id=owner, owner_id=owner, run_id=run_id)
    ended, _ = carry(uow, store, 40)
    tick = float(words.get(uow, run_id).tick_s)

    whole = replays.replay(actor_id=owner, owner_id=owner, run_id=run_id)
    span = replays.replay(
        actor_id=owner, owner_id=owner, run_id=run_id, from_s=10 * tick, to_s=30.5 * tick, kind="freeze"
    )

    with uow.read() as tx:
        jobs = [tx.jobs.find(result.job_ids[0]) for result in (whole, span)]
    assert [(job.simulation, job.owner_id) for job in jobs] == [("live", owner)] * 2
    assert [job.meta for job in jobs] == [{"run": str(run_id), "kind": kind} for kind in ("replay", "freeze")]
    outcomes = LIVE.solve(
        [LIVE.params_model.model_validate_json(json.dumps(job.params)) for job in jobs], lambda _: frozenset()
    ).outcomes
    assert [one.metrics["verdict"] for one in outcomes] == ["identical"] * 2
    assert [one.metrics["ticks"] for one in outcomes] == [ended.tick, 30]
    for span in ({"to_s": 0.0}, {"to_s": 41 * tick + 1e-3}, {"from_s": 30 * tick, "to_s": 30 * tick}, {"from_s": -1.0}):
        with pytest.raises(FieldError, match="_s"):
            replays.replay(actor_id=owner, owner_id=owner, run_id=run_id, **span)
    with pytest.raises(AdmissionError, match="log of the run"):
        live.read_log(uow, owner_id=owner, run_id=run_id, most_bytes=2000)
    stranger = add_owner(uow, "stranger")
    for run in (run_id, uuid4()):
        with pytest.raises(NotFoundError):
            replays.replay(actor_id=stranger, owner_id=stranger, run_id=run)


def test_a_branch_leaves_its_parent_alone_and_is_identical_where_nothing_is_changed(uow, owner, store):
    run_id = submit(uow, owner, "cascade", **CASCADE)
    twin = submit(uow, owner, "cascade", **CASCADE)
    made = []
    parent, _ = carry(
        uow, store, 120, (20, FIRST), (40, CHECKPOINT), (60, lambda: made.append(branch(uow, store, owner, run_id)))
    )
    alone, _ = carry(uow, store, 120, (20, FIRST), (40, CHECKPOINT))
    assert (alone.tick, alone.field_sha256) == (parent.tick, parent.field_sha256)  # twin of the parent: no branch

    row = words.get(uow, made[0].id)
    assert (row.parent_id, row.state, row.tick) == (run_id, RunState.QUEUED, row.parent_tick)
    assert row.body == words.get(uow, run_id).body is not None
    assert 40 < row.parent_tick <= 61
    child, carrier = carry(uow, store, parent.tick)

    assert 39 < carrier.begun_at <= 43  # from the checkpoint
    assert (child.tick, child.field_sha256) == (parent.tick, parent.field_sha256)
    word, outcome = verdict_of(uow, owner, row.id)
    assert (word, outcome.field_sha256) == ("identical", parent.field_sha256)
    assert verdict_of(uow, owner, twin)[0] == "identical"
    (first,) = [one for one in audit.export(uow) if one["action"] == "run.branch"]
    assert str(run_id) in str(first["details"])


def test_a_run_that_was_degraded_is_replayed_as_degraded_and_its_branch_only_as_far_as_it_was(uow, owner, store):
    run_id = submit(uow, owner, "burst", cells=(12, 12), params={"power": 300.0})
    modes = {physics: CommandRequest(K.MODE, {"physics": physics}) for physics in ("lumped", "no-stress", "full")}
    ended, _ = carry(uow, store, 150, (40, modes["lumped"]), (60, modes["no-stress"]), (130, modes["full"]))
    word, outcome = verdict_of(uow, owner, run_id)
    assert (word, outcome.field_sha256) == ("identical", ended.field_sha256), outcome.log
    switches = live.read_events(uow, owner_id=owner, run_id=run_id, kinds=("switch",))
    assert "overload" in {event.payload["reason"] for event in switches}
    outcomes = [one.outcome for one in live.read_commands(uow, owner_id=owner, run_id=run_id) if one.kind is K.MODE]
    assert outcomes == ["applied", "refused", "applied"]

    made = branch(uow, store, owner, run_id, at_tick=100)
    kept = [one for one in live.read_commands(uow, owner_id=owner, run_id=made.id) if one.kind is K.MODE]
    assert [one.payload["physics"] for one in kept] == ["lumped", "no-stress"]
    carry(uow, store, 120)
    assert verdict_of(uow, owner, made.id)[0] == "identical"


@pytest.mark.parametrize("keeps", [True, False])
def test_a_branch_with_another_log_goes_its_own_way(uow, owner, store, keeps):
    run_id = submit(uow, owner, "cascade", **CASCADE)
    later = CommandRequest(K.EVENT, {**BURST, "energy_j": 1e5})
    parent, _ = carry(uow, store, 100, (20, FIRST), (30, CHECKPOINT), (60, later))
    made = branch(uow, store, owner, run_id, at_tick=50, keeps_commands=keeps, name="what if", is_paused=False)
    live.purge_run(uow, store, actor_id=owner, owner_id=owner, run_id=run_id)  # a branch outlives its parent
    child, carrier = carry(uow, store, parent.tick, (55, CommandRequest(K.EVENT, DAMAGE)))

    assert 29 < carrier.begun_at <= 33
    assert child.field_sha256 != parent.field_sha256
    word, outcome = verdict_of(uow, owner, made.id)
    assert word == "identical", outcome.log
    commands = live.read_commands(uow, owner_id=owner, run_id=made.id)
    energies = [one.payload.get("energy_j") for one in commands if one.kind is K.EVENT]
    assert (1e5 in energies) == keeps
    assert all(one.outcome == "applied" for one in commands if one.kind.is_physical)
    assert len({one.seq for one in commands}) == len(commands)
    events = live.read_events(uow, owner_id=owner, run_id=made.id, limit=1000)
    assert [one.n for one in events] == list(range(1, len(events) + 1))
    assert words.get(uow, made.id).name == "what if"


def test_an_alert_that_fires_at_a_branch_fires_in_it(uow, owner, store):
    run_id = submit(uow, owner, "burst", cells=(16, 16))  # its rule `hot-spot` fires while the burst lasts
    carry(uow, store, 110, (90, CHECKPOINT))
    before, after = (branch(uow, store, owner, run_id, at_tick=tick).id for tick in (45, 95))
    with uow.read() as tx:
        last = {run: tx.alerts.find_last(run, "hot-spot") for run in (run_id, before, after)}
    assert last[before] is None
    assert (last[after].state, last[after].fired_tick) == (last[run_id].state, last[run_id].fired_tick)
    carry(uow, store, 110)
    _, carrier = carry(uow, store, 110)
    assert carrier.begun_at > 89  # alerts of ticks that are computed again are stored once
    with uow.read() as tx:
        assert tx.alerts.find_last(before, "hot-spot").fired_tick == last[run_id].fired_tick
        assert tx.alerts.find_last(after, "hot-spot").number == 1


def test_a_snapshot_that_holds_a_dropped_command_is_no_beginning(sqlite_uow, store):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    run_id = submit(uow, owner, "burst", cells=(8, 8))  # its burst is scheduled for tick 40
    carry(uow, store, 60, (10, CHECKPOINT))
    made = branch(uow, store, owner, run_id, at_tick=30, keeps_commands=False)
    with uow.read() as tx:
        assert tx.live_snapshots.of_run(made.id) == []
    _, carrier = carry(uow, store, 60)
    assert carrier.begun_at == 0
    assert carrier.loop.session.summary.highest == pytest.approx(20.0, abs=1e-9)
    assert verdict_of(uow, owner, made.id)[0] == "identical"


def test_a_damaged_or_missing_snapshot_is_passed_over(sqlite_uow, store):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    run_id = submit(uow, owner, "cascade", **CASCADE)
    carry(uow, store, 60, (10, CHECKPOINT), (20, CHECKPOINT), (30, CHECKPOINT))
    newest, middle, oldest = live.list_snapshots(uow, owner_id=owner, run_id=run_id)
    store.blobs[newest.key] = b"damaged"
    store.delete(middle.key)
    made = branch(uow, store, owner, run_id, at_tick=50)
    with uow.read() as tx:
        (copied,) = tx.live_snapshots.of_run(made.id)
    assert (copied.tick, copied.sha256) == (oldest.tick, oldest.sha256)
    assert [key for key in store.keys(f"live/{made.id}")] == [copied.key]  # noqa: C416 - a list of an iterator
    assert live.find_unknown_files(uow, [copied.key]) == set()


def test_a_branch_from_a_checkpoint_begins_there(sqlite_uow, store):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    run_id = submit(uow, owner, "cascade", **CASCADE)
    carry(uow, store, 40, (10, CHECKPOINT))
    (snapshot,) = live.list_snapshots(uow, owner_id=owner, run_id=run_id)
    made = branch(uow, store, owner, run_id, snapshot_id=snapshot.id, is_paused=True, has_speed=True, speed=None)
    assert (made.parent_tick, made.wanted, made.speed) == (snapshot.tick, "pause", None)
    with pytest.raises(NotFoundError, match="snapshot"):
        branch(uow, store, owner, run_id, snapshot_id=uuid4())


def test_branches_outside_the_limits_are_refused_and_leave_no_file(uow, owner, store):
    run_id = submit(uow, owner, "cascade", **CASCADE)
    with pytest.raises(RunStateError, match="ticked"):
        branch(uow, store, owner, run_id)
    carry(uow, store, 30, (10, CHECKPOINT))
    for given, field in (
        ({"at_tick": -1}, "at_tick"), ({"at_tick": 10**6}, "at_tick"), ({"name": "x" * 101}, "name"),
        ({"at_tick": 1, "snapshot_id": uuid4()}, "at_tick"), ({"has_speed": True, "speed": 1e6}, "speed"),
    ):  # fmt: skip
        with pytest.raises(FieldError, match=field):
            branch(uow, store, owner, run_id, **given)
    stranger = add_owner(uow, "stranger")
    with pytest.raises(NotFoundError):
        branch(uow, store, stranger, run_id)
    made = [branch(uow, store, owner, run_id) for _ in range(4)]
    files = sorted(store.keys("live/"))
    with pytest.raises(TooManyRunsError, match="4 branches of 4"):
        branch(uow, store, owner, run_id)
    few = LiveBranchService(uow, store, CountingBell(), LiveLimits(waiting_runs=4, branches=9))
    with pytest.raises(TooManyRunsError, match="wait"):
        few.branch(BranchRequest(), actor_id=owner, owner_id=owner, run_id=run_id)
    few = LiveBranchService(uow, store, CountingBell(), LiveLimits(waiting_runs=99, runs_of_owner=0, branches=4))
    with pytest.raises(TooManyRunsError, match="branches"):
        few.branch(BranchRequest(), actor_id=owner, owner_id=owner, run_id=made[0].id)
    assert sorted(store.keys("live/")) == files
    with uow.begin() as tx:  # one that has ended makes room
        held = tx.live_runs.hold(made[0].id)
        tx.live_runs.change(
            held, state=RunState.STOPPED, version=held.version + 1, wanted="stop", reason=RunReason.STOPPED_BY_USER,
            finished_at=tx.now(),
        )  # fmt: skip
    assert branch(uow, store, owner, run_id).parent_id == run_id
