"""Removal of outputs that nobody refers to, and of nothing else."""

import io
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.doubles.bells import MemoryDoorbell
from tests.support import live_runs as live_words
from tests.support.ledgers import MANIFEST, add_owner, claim, submit

from grid.database.uow import UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.runtime.spool import Spool
from grid.schemas.jobs import Claim, FileEntry, Manifest
from grid.schemas.live import RunReason
from grid.services import ledger, live, renders
from grid.services.ledger import ClaimedBatch, LogChunk, Returned, Succeeded
from grid.tasks.events import StorageChecked
from grid.tasks.garbage import collect_garbage, discard
from grid.tasks.housekeeping import GarbageCollector, make_storage_probe

AT_ONCE = timedelta(seconds=-60)  # everything is older than this


def old_id() -> UUID:
    """Return a UUIDv7 of the year 2020."""
    return UUID(int=1_577_836_800_000 << 80 | 0x7 << 76 | 0b10 << 62 | uuid4().int & ((1 << 62) - 1))


def put(store: MemoryArtifactStore, *keys: str) -> None:
    for key in keys:
        store.put(key, io.BytesIO(b"x"))


def pack_key(batch: ClaimedBatch) -> str:
    return f"packs/20260101/{batch.batch_id}.npy"


def make_packed(batch: ClaimedBatch) -> Manifest:
    return {**MANIFEST, "pack": {**MANIFEST["pack"], "key": pack_key(batch)}}


def succeed(uow: UnitOfWork, batch: ClaimedBatch, claims: Sequence[Claim]) -> frozenset[Claim]:
    return ledger.conclude(uow, [Succeeded(claim, make_packed(batch)) for claim in claims], begun=claims)


def test_a_pack_stays_while_one_of_its_jobs_won_or_still_runs(sqlite_uow: UnitOfWork):
    uow, store, owner = sqlite_uow, MemoryArtifactStore(), add_owner(sqlite_uow)
    submit(uow, owner, 2, is_sweep=True)
    won = claim(uow)
    submit(uow, owner)
    running = claim(uow)
    submit(uow, owner)
    lost = claim(uow)
    assert won
    assert running
    assert lost
    succeed(uow, won, [won.jobs[0].claim])
    ledger.conclude(uow, [Returned(lost.jobs[0].claim, "lost")])
    nobody = f"packs/20200101/{old_id()}.npy"
    put(store, pack_key(won), pack_key(running), pack_key(lost), nobody, "packs/20200101/notes.txt", "packs/stray")

    assert collect_garbage(uow, store) == 1  # the others are not a day old
    assert nobody not in store.blobs
    assert collect_garbage(uow, store, kept_for=AT_ONCE) == 1
    assert set(store.keys()) == {pack_key(won), pack_key(running), "packs/20200101/notes.txt", "packs/stray"}


def test_outputs_of_losing_claims_go_when_the_job_has_ended(sqlite_uow: UnitOfWork):
    uow, store, owner = sqlite_uow, MemoryArtifactStore(), add_owner(sqlite_uow)
    ids = submit(uow, owner, 2, is_sweep=True)
    first = claim(uow)
    assert first
    ledger.conclude(uow, [Returned(job.claim, "drain") for job in first.jobs])
    second = claim(uow)
    assert second
    succeed(uow, second, [Claim(ids[0], 2)])
    put(store, *(f"jobs/{job}/{epoch}/a.csv" for job in ids for epoch in (1, 2)))
    put(store, f"jobs/{old_id()}/1/a.csv", "jobs/stray", f"jobs/{old_id()}/x/a.csv")

    assert collect_garbage(uow, store) == 1
    assert collect_garbage(uow, store, kept_for=AT_ONCE) == 1
    assert f"jobs/{ids[0]}/1/a.csv" not in store.blobs
    assert {f"jobs/{ids[0]}/2/a.csv", f"jobs/{ids[1]}/1/a.csv", f"jobs/{ids[1]}/2/a.csv"} <= set(store.keys())


def test_logs_of_losing_claims_go_and_that_of_the_last_one_stays(sqlite_uow: UnitOfWork):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    (job_id,) = submit(uow, owner)
    for why in ("drain", None):
        batch = claim(uow)
        assert batch
        (held,) = [job.claim for job in batch.jobs]
        outcome = Returned(held, "drain") if why else Succeeded(held, make_packed(batch))
        ledger.conclude(uow, [outcome], [LogChunk(held, 0, f"try {held.epoch}")], [held])

    collect_garbage(uow, MemoryArtifactStore(), kept_for=AT_ONCE)

    with uow.read() as tx:
        assert [chunk.text for chunk in tx.logs.read(job_id)] == ["try 2"]


def test_a_refused_result_is_removed_at_once_unless_the_ledger_has_it_after_all(sqlite_uow: UnitOfWork):
    """The answer to a commit may be lost: then the second try is refused, and the result must stay."""
    uow, store, owner = sqlite_uow, MemoryArtifactStore(), add_owner(sqlite_uow)
    submit(uow, owner, 2, is_sweep=True)
    batch = claim(uow)
    assert batch
    first, second = (job.claim for job in batch.jobs)
    succeed(uow, batch, [first])
    ledger.conclude(uow, [Returned(second, "lost")])
    entries = {
        each: FileEntry(name="a.csv", size=1, sha256="", media_type="", key=f"jobs/{each.job_id}/1/a.csv")
        for each in (first, second)
    }
    put(store, pack_key(batch), *(entry["key"] for entry in entries.values()))
    refused = [Succeeded(each, {"files": [entry]}) for each, entry in entries.items()]

    assert discard(uow, store, [*refused, Succeeded(second, make_packed(batch))]) == 1

    assert set(store.keys()) == {pack_key(batch), entries[first]["key"]}


def test_the_garbage_collector_discards_when_told_and_collects_in_its_hour(sqlite_uow: UnitOfWork):
    uow, store, owner = sqlite_uow, MemoryArtifactStore(), add_owner(sqlite_uow)
    submit(uow, owner)
    batch = claim(uow)
    assert batch
    ledger.conclude(uow, [Returned(batch.jobs[0].claim, "lost")])
    stale = f"packs/20200101/{old_id()}.npy"
    put(store, pack_key(batch), stale)
    collector = GarbageCollector(uow, store)
    collector.reject([Succeeded(batch.jobs[0].claim, make_packed(batch))])
    collector._act()
    assert set(store.keys()) == {stale}
    collector._act()
    assert set(store.keys()) == set()


def test_the_storage_probe_tells_the_loop(monkeypatch: pytest.MonkeyPatch):
    store, events = MemoryArtifactStore(), []
    probe = make_storage_probe(store, events.append)
    probe.take_turn()
    store.is_full = True
    probe.take_turn()
    store.is_full = False
    probe.take_turn()
    assert events == [StorageChecked(True), StorageChecked(False), StorageChecked(True)]


def test_a_full_spool_stops_claims_as_a_full_store_does(tmp_path):
    events, spool = [], Spool(tmp_path / "spool", most_bytes=10)
    probe = make_storage_probe(MemoryArtifactStore(), events.append, spool=spool)
    spool.put("packs/a", io.BytesIO(bytes(10)))
    probe.take_turn()
    spool.delete("packs/a")
    probe.take_turn()
    assert events == [StorageChecked(False), StorageChecked(True)]


def test_rendered_files_stay_while_their_request_is_known(sqlite_uow: UnitOfWork, monkeypatch: pytest.MonkeyPatch):
    uow, store, bell = sqlite_uow, MemoryArtifactStore(), MemoryDoorbell()
    submit(uow, add_owner(uow))
    batch = claim(uow)
    assert batch
    succeed(uow, batch, [batch.jobs[0].claim])
    request = renders.request_render(uow, bell, batch.jobs[0].id, ["meta.json"])
    claimed = renders.claim_render(uow, "w", 30.0)
    assert claimed
    key = f"{claimed.key_prefix}/meta.json"
    gone = f"renders/{uuid4()}/1/v/{old_id().hex}-1/meta.json"
    put(store, key, gone, "renders/stray")
    entry = FileEntry(name="meta.json", size=1, sha256="", media_type="application/json", key=key)
    assert renders.conclude_render(uow, claimed.claim, RenderFinished(request, [entry]))

    assert collect_garbage(uow, store, kept_for=AT_ONCE) == 1
    assert set(store.keys()) == {key, "renders/stray"}

    monkeypatch.setattr(renders, "KEPT_FOR", AT_ONCE)
    time.sleep(0.01)
    assert renders.forget_old_renders(uow, store) == 1
    assert set(store.keys()) == {"renders/stray"}
    assert renders.find_render(uow, request) is None


def test_snapshots_that_no_row_names_go_once_the_run_has_ended(sqlite_uow: UnitOfWork):
    owner, store = add_owner(sqlite_uow), MemoryArtifactStore()
    claim = live_words.start(sqlite_uow, owner)
    kept = live_words.new_snapshot(claim)
    live.add_snapshot(sqlite_uow, claim, kept)
    lost = f"live/{claim.run_id}/1/9-state-7"
    for key in (kept.key, lost):
        store.put(key, io.BytesIO(b"state"))

    assert collect_garbage(sqlite_uow, store, kept_for=AT_ONCE) == 0  # it lives

    live.fail_run(sqlite_uow, claim, RunReason.DIVERGED)
    assert collect_garbage(sqlite_uow, store) == 0  # a worker thought dead may still be writing
    assert collect_garbage(sqlite_uow, store, kept_for=AT_ONCE) == 1
    assert list(store.keys()) == [kept.key]
