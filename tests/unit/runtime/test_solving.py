"""A batch in a slot child: one poisonous point fails alone, and everything said is fit for JSON."""

import errno
import json
import math
import os
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from uuid import UUID, uuid4

import numpy as np
import pytest
from pydantic import BaseModel
from tests.doubles.simulations import Registry, Toy, hash_field

from grid.core.errors import StorageFullError
from grid.runtime import solving
from grid.runtime.child import SupervisorChannel, serve
from grid.runtime.messages import (
    CancelPoints,
    ChildReady,
    Render,
    RenderFinished,
    Solve,
    SolveFinished,
    SolveProgress,
    SolveStarted,
)
from grid.runtime.packs import read_record
from grid.runtime.rendering import render
from grid.runtime.solving import SupervisorGoneError, solve
from grid.runtime.store import LocalArtifactStore
from grid.schemas.jobs import Claim, Reason
from grid.schemas.simulations import BatchResult, PointOutcome


class RecordingChannel:
    """A channel that records messages and hands over cancellations."""

    def __init__(self, cancellations=()):
        self.said, self.cancellations = [], list(cancellations)

    def send(self, message):
        self.said.append(message)

    def take_cancellations(self):
        taken, self.cancellations = self.cancellations, []
        return taken


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def registry() -> Registry:
    return Registry()


def make_solve(*points: dict, simulation: str = "toy") -> Solve:
    batch = uuid4()
    return Solve(batch, simulation, [Claim(uuid4(), 7) for _ in points], points, f"packs/20260102/{batch}.npy")


def reasons(solved: SolveFinished) -> list[Reason]:
    return [result.reason for result in solved.results]


def test_each_point_gets_its_own_record_and_claim(registry, store):
    message = make_solve(*({"value": float(i), "tags": ["a"]} for i in range(5)))
    solved = solve(message, registry, store, channel := RecordingChannel())

    assert channel.said[0] == SolveStarted(message.batch_id)
    assert [result.claim for result in solved.results] == message.claims
    for i, result in enumerate(solved.results):
        record = read_record(store, result.manifest["pack"])
        assert (record["value"], list(record["series"])) == (2.0 * i, [i * k for k in range(8)])
    assert (solved.failure, solved.max_rss_bytes > 0, solved.elapsed_s > 0) == (None, True, True)


@pytest.mark.parametrize("place", [0, 499, 999])
@pytest.mark.parametrize("mode", ["raise", "memory", "diverge"])
def test_a_poisonous_point_among_a_thousand_fails_alone(registry, store, place, mode):
    points = [{"value": float(i)} for i in range(1000)]
    points[place]["mode"] = mode
    solved = solve(make_solve(*points), registry, store, RecordingChannel())

    expected = {"raise": Reason.NONZERO_EXIT, "memory": Reason.OOM, "diverge": Reason.DIVERGED}[mode]
    assert [i for i, reason in enumerate(reasons(solved)) if reason is not Reason.OK] == [place]
    assert solved.results[place].reason is expected
    assert solved.results[place].manifest is None
    others = [result for result in solved.results if result.manifest]
    assert [r.manifest["metrics"]["value"] for r in others] == [2.0 * i for i in range(1000) if i != place]
    assert len({r.manifest["pack"]["key"] for r in others}) == 1
    assert registry.get("toy").calls[0] == 1000
    assert len(registry.get("toy").calls) <= 1 + 2 * 10  # halving, not one call a point


def test_records_are_the_same_bytes_beside_a_poisonous_neighbour_and_alone(registry, store):
    points = [{"value": float(i)} for i in range(8)]
    alone = solve(make_solve(points[5]), registry, store, RecordingChannel()).results[0].manifest["pack"]["sha256"]
    beside = solve(make_solve(*points[:3], {"mode": "raise"}, *points[4:]), registry, store, RecordingChannel())

    assert beside.results[5].manifest["pack"]["sha256"] == alone


def test_a_point_that_only_reports_its_failure_has_no_record(registry, store):
    solved = solve(make_solve({}, {"mode": "outcome"}, {"value": 5.0}), registry, store, RecordingChannel())

    assert reasons(solved) == [Reason.OK, Reason.DIVERGED, Reason.OK]
    assert solved.results[1].message == "This point alone diverged."
    with store.open(solved.results[0].manifest["pack"]["key"]) as blob:
        assert len(np.load(blob)) == 2
    assert read_record(store, solved.results[2].manifest["pack"])["value"] == 10.0


def test_a_batch_without_a_success_stores_nothing(registry, store):
    solved = solve(make_solve({"mode": "raise"}, {"mode": "outcome"}), registry, store, RecordingChannel())

    assert reasons(solved) == [Reason.NONZERO_EXIT, Reason.DIVERGED]
    assert list(store.keys()) == []


def test_a_user_reads_one_sentence_and_the_log_has_the_traceback(registry, store):
    results = solve(make_solve({"mode": "raise"}, {"mode": "diverge"}), registry, store, RecordingChannel()).results

    assert results[0].message == "The simulation raised RuntimeError; its log says where."
    assert "Traceback" in results[0].log
    assert "RuntimeError" in results[0].log
    assert results[1].message == "step 3, t = 0.5 s: the temperature is not finite"


def test_manifests_are_json_with_finite_numbers(registry, store):
    manifest = solve(make_solve({}), registry, store, RecordingChannel()).results[0].manifest

    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest
    assert (manifest["metrics"]["value"], manifest["metrics"]["bad"]) == (2.0, None)
    assert manifest["audits"][0]["value"] is None
    assert manifest["numerics_version"] == "toy-1"


def test_a_simulation_without_a_record_leaves_no_file(registry, store):
    manifest = solve(make_solve({}, simulation="bare"), registry, store, RecordingChannel()).results[0].manifest

    assert manifest["files"] == []
    assert "pack" not in manifest
    assert list(store.keys()) == []


def test_stored_parameters_that_no_longer_fit_fail_by_the_name_of_the_field(registry, store):
    solved = solve(make_solve({"value": 1e9}, {"value": 2.0}), registry, store, RecordingChannel())

    assert reasons(solved) == [Reason.NONZERO_EXIT, Reason.OK]
    assert "value" in solved.results[0].message
    assert "1e9" not in solved.results[0].message
    assert "1000000000" not in solved.results[0].message


def test_left_out_points_are_masked_and_strangers_ignored(registry, store):
    message = make_solve({"duration_s": 20.0}, {"value": 4.0})
    mine = CancelPoints(message.batch_id, frozenset({message.claims[0].job_id, uuid4()}))
    another = CancelPoints(uuid4(), frozenset({message.claims[1].job_id}))
    solved = solve(message, registry, store, channel := RecordingChannel([another, mine]))

    assert reasons(solved) == [Reason.CANCELLED_BY_USER, Reason.OK]
    assert all(0 <= said.fraction <= 1 for said in channel.said if isinstance(said, SolveProgress))


def test_progress_is_of_the_whole_batch_and_never_runs_back(registry, store, monkeypatch):
    monkeypatch.setattr(solving, "PROGRESS_INTERVAL_S", 0.0)
    points = [{"duration_s": 0.01, "mode": "raise" if i == 5 else "ok"} for i in range(6)]
    solve(make_solve(*points), registry, store, channel := RecordingChannel())
    alone = [said.fraction for said in channel.said if isinstance(said, SolveProgress)]

    assert alone
    assert all(0 <= fraction <= 1 for fraction in alone)


def test_an_unknown_simulation_sends_the_batch_back(registry, store):
    solved = solve(make_solve({}, simulation="nobody"), registry, store, RecordingChannel())

    assert (solved.results, solved.is_storage_full) == ((), False)
    assert "nobody" in solved.failure


@pytest.mark.parametrize("place", ["write_pack", "adopt"])
def test_a_full_disk_sends_the_batch_back_and_leaves_nothing(registry, store, monkeypatch, place):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if place == "write_pack":
        monkeypatch.setattr(solving, "write_pack", full)
    else:
        monkeypatch.setattr(os, "link", full)
    solved = solve(make_solve({}), registry, store, RecordingChannel())

    assert (solved.results, solved.is_storage_full) == ((), True)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_disk_that_fails_sends_the_batch_back_without_naming_a_path(registry, store, monkeypatch):
    def broken(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/secret/path")

    monkeypatch.setattr(os, "fsync", broken)
    solved = solve(make_solve({}), registry, store, RecordingChannel())

    assert (solved.results, solved.is_storage_full) == ((), False)
    assert "/secret" not in solved.failure


def test_a_full_disk_inside_the_model_is_not_the_models_fault(registry, store, monkeypatch):
    def full(*_):
        raise StorageFullError

    monkeypatch.setattr(Toy, "solve", full)
    assert solve(make_solve({}, {}), registry, store, RecordingChannel()).is_storage_full


def test_a_supervisor_that_is_gone_is_not_taken_for_a_failing_model(registry, store):
    class Deaf(RecordingChannel):
        def take_cancellations(self):
            raise EOFError

    with pytest.raises(SupervisorGoneError):
        solve(make_solve({"duration_s": 1.0}), registry, store, Deaf())
    assert registry.get("toy").calls == [1]


# --- files on request


def make_render(registry, store, names=("meta.json", "field.npy"), point=None, **changes) -> Render:
    message = make_solve(point or {"value": 3.0})
    manifest = solve(message, registry, store, RecordingChannel()).results[0].manifest | changes.pop("manifest", {})
    parts = {"simulation": "toy", "params": message.points[0], "manifest": manifest, "names": names}
    return Render(uuid4(), UUID(int=1), **(parts | changes), key_prefix="renders/1/1/toy-1")


def test_files_are_stored_with_their_hashes_and_a_second_request_finds_the_same(registry, store):
    message = make_render(registry, store)
    first, second = (render(message, registry, store, output_bytes=1 << 20) for _ in range(2))

    assert (first.failure, [entry["name"] for entry in first.files]) == (None, ["field.npy", "meta.json"])
    assert second.files == first.files
    with store.open(first.files[0]["key"]) as blob:
        assert np.load(blob).shape == (4, 4)


def test_a_field_with_other_bytes_is_gone_under_another_version_and_an_error_under_the_same(registry, store):
    other = {"field_sha256": "0" * 64}
    same = render(make_render(registry, store, manifest=other), registry, store, output_bytes=1 << 20)
    newer = make_render(registry, store, manifest={**other, "numerics_version": "toy-0"})
    gone = render(newer, registry, store, output_bytes=1 << 20)

    assert (same.code, gone.code) == ("render-failed", "gone")
    assert "toy-0" in gone.failure
    assert "toy-1" in gone.failure
    assert list(store.keys("renders/")) == []


def test_an_older_version_with_the_same_bytes_is_served(registry, store):
    message = make_render(registry, store, manifest={"numerics_version": "toy-0"})

    assert message.manifest["field_sha256"] == hash_field(Toy.params_model(value=3.0))
    assert render(message, registry, store, output_bytes=1 << 20).failure is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"names": ["../x"]}, "render-failed"),
        ({"names": ["other.csv"]}, "render-failed"),
        ({"simulation": "nobody"}, "not-found"),
        ({"params": {"value": "x"}}, "gone"),
        ({"params": {"mode": "bad-writer"}}, "render-failed"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_sentence_without_paths(registry, store, changes, code):
    rendered = render(make_render(registry, store, **changes), registry, store, output_bytes=1 << 20)

    assert (rendered.files, rendered.code) == ((), code)
    assert "/" not in rendered.failure


def test_a_missing_or_damaged_pack_is_said(registry, store):
    message = make_render(registry, store)
    path = store.root / message.manifest["pack"]["key"]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    damaged = render(message, registry, store, output_bytes=1 << 20)
    path.unlink()
    missing = render(message, registry, store, output_bytes=1 << 20)
    manifest = {key: value for key, value in message.manifest.items() if key != "pack"}
    bare = render(
        make_render(registry, store) and Render(uuid4(), UUID(int=1), "toy", {}, manifest, ["meta.json"], "r"),
        registry,
        store,
        output_bytes=1 << 20,
    )

    assert [damaged.code, missing.code, bare.code] == ["pack-corrupt", "not-found", "render-failed"]


def test_files_beyond_the_cap_are_not_stored(registry, store):
    rendered = render(make_render(registry, store), registry, store, output_bytes=10)

    assert rendered.code == "output-too-large"
    assert list(store.keys("renders/")) == []


# --- the loop


def test_the_loop_answers_in_order_and_ends_at_end_of_file(registry, store):
    ours, theirs = Pipe()
    loop = Thread(target=serve, args=(theirs, registry, store), kwargs={"output_bytes": 1 << 20})
    loop.start()
    first, second = make_solve({"duration_s": 0.3}), make_solve({"value": 2.0})
    with ours, theirs:
        assert ours.recv() == ChildReady(os.getpid(), {"toy": "toy-1", "bare": "toy-1"})
        ours.send(first)
        ours.send(second)  # early: kept until the first is done, although the first looks for cancellations
        said = []
        while sum(isinstance(message, SolveFinished) for message in said) < 2:
            said.append(ours.recv())
        ours.send(make_render(registry, store))
        assert isinstance(ours.recv(), RenderFinished)
        ours.close()
        loop.join(10)
    assert not loop.is_alive()
    assert [m.batch_id for m in said if isinstance(m, SolveFinished)] == [first.batch_id, second.batch_id]


def test_a_cancellation_overtakes_waiting_messages(registry, store):
    ours, theirs = Pipe()
    with ours, theirs:
        channel, cancellation, later = SupervisorChannel(theirs), CancelPoints(uuid4(), frozenset()), make_solve({})
        ours.send(later)
        ours.send(cancellation)

        assert channel.take_cancellations() == [cancellation]
        assert channel.take_cancellations() == []
        assert channel.receive() == later


def test_the_stages_of_a_traced_batch_come_with_its_answer(store, registry):
    message = replace(make_solve({"value": 1.0}, {"value": 2.0}), is_traced=True)
    stages = solve(message, registry, store, RecordingChannel()).stages

    assert [stage.name for stage in stages] == ["solver.parse", "solver.solve", "solver.store"]
    assert stages[1].attributes["grid.points"] == 2
    edges = [edge for stage in stages for edge in (stage.start_s, stage.end_s)]
    assert edges == sorted(edges)
    assert solve(make_solve({"value": 1.0}), registry, store, RecordingChannel()).stages == ()


def test_a_call_that_raises_is_a_failed_stage_and_each_half_a_stage_of_its_own(store, registry):
    message = replace(make_solve({"value": 1.0}, {"value": 2.0, "mode": "raise"}), is_traced=True)
    stages = solve(message, registry, store, RecordingChannel()).stages

    calls = [(stage.attributes["grid.points"], stage.is_error) for stage in stages if stage.name == "solver.solve"]
    assert calls == [(2, True), (1, False), (1, True)]


def test_steps_of_a_call_are_those_reported_or_those_asked_for_with_their_sub_steps():
    class Rod(BaseModel):
        time_steps: int

    class Body(BaseModel):
        cells: int

    outcomes = [
        PointOutcome(Reason.OK, metrics=metrics)
        for metrics in ({"steps": 7}, {"sub_steps": 3}, {}, {"steps": math.nan})
    ]
    points = [Rod(time_steps=100)] * 4
    assert solving.count_steps(points, BatchResult(outcomes, [])) == {"grid.solver.steps": 7 + 300 + 100}
    assert solving.count_steps([Body(cells=3)], BatchResult([PointOutcome(Reason.OK)], [])) == {}
