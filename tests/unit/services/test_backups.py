"""What a backup is worth: sound, with an audit log that is whole, and every artifact that it refers to."""

import io
import sqlite3
from pathlib import Path

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.doubles.bells import MemoryDoorbell
from tests.support import live_runs
from tests.support.ledgers import MANIFEST, add_owner, claim, submit

from grid.database import migrate
from grid.database.restoring import restore
from grid.database.uow import UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.schemas.live import RunState
from grid.services import audit, ledger, renders
from grid.services.backups import find_missing, verify_database, verify_file
from grid.services.ledger import Succeeded

PACK = MANIFEST["pack"]["key"]


@pytest.fixture
def keys(uow: UnitOfWork) -> list[str]:
    """The artifacts of two jobs, a file made of one, and a live run."""
    owner = add_owner(uow)
    submit(uow, owner, 2)
    for number in range(2):
        batch = claim(uow, max_jobs=1)
        (one,) = [job.claim for job in batch.jobs]
        files = [{"name": "a", "key": f"jobs/{one.job_id}/1/a", "size": 1, "sha256": "ab" * 32, "media_type": "x"}]
        manifest = MANIFEST if number == 0 else {"files": files, "metrics": {}, "audits": []}
        ledger.conclude(uow, [Succeeded(one, manifest, {})], [], [one])
        if number == 0:
            renders.request_render(uow, MemoryDoorbell(), one.job_id, ["meta.json"])
    rendered = renders.claim_render(uow, "worker-1", 30.0)
    file = {"name": "meta.json", "key": "renders/a", "size": 1, "sha256": "ab" * 32, "media_type": "x"}
    assert renders.conclude_render(uow, rendered.claim, RenderFinished(rendered.claim.render_id, [file]))
    held = live_runs.into(uow, owner, RunState.RUNNING)
    live_runs.snapshot(uow, held, 3)
    with uow.read() as tx:
        (snapshot,) = tx.live_snapshots.of_run(held.run_id)
    return sorted([PACK, files[0]["key"], "renders/a", snapshot.key])


def test_every_artifact_that_is_referred_to_is_looked_for_and_named_where_it_is_missing(uow: UnitOfWork, keys):
    store = MemoryArtifactStore()
    assert find_missing(uow, store) == (4, tuple(keys))
    for key in keys[1:]:
        store.put(key, io.BytesIO(b"x"))
    assert find_missing(uow, store) == (4, (keys[0],))


def test_a_backup_is_verified_without_being_changed(sqlite_uow: UnitOfWork, tmp_path: Path):
    url = str(sqlite_uow.database.engine.url)
    owner = add_owner(sqlite_uow)
    with sqlite_uow.begin() as tx:
        audit.record(tx, actor_id=owner, action="user.add", subject="user:1")
    kept = tmp_path / "kept.db"
    migrate.backup(url, kept)
    before = kept.read_bytes()

    report = verify_file(kept, MemoryArtifactStore())
    assert (report.is_sound, report.problems, report.references) == (True, (), 0)
    assert kept.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("kept", ".grid"))) == ["kept.db"]


def test_a_changed_audit_log_and_another_version_are_problems(sqlite_uow: UnitOfWork, tmp_path: Path):
    with sqlite_uow.begin() as tx:
        audit.record(tx, actor_id=None, action="user.add", subject="user:1")
    kept = tmp_path / "kept.db"
    migrate.backup(str(sqlite_uow.database.engine.url), kept)
    run(kept, "DROP TRIGGER audit_entries_no_update", "UPDATE audit_entries SET subject = 'user:2'")
    (problem,) = verify_file(kept, MemoryArtifactStore()).problems
    assert "audit log" in problem
    run(kept, "UPDATE alembic_version SET version_num = '0001'")
    assert "grid db upgrade" in verify_file(kept, MemoryArtifactStore()).problems[0]


def run(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_what_is_restored_passes_the_same_verification(sqlite_uow: UnitOfWork, tmp_path: Path):
    url = str(sqlite_uow.database.engine.url)
    add_owner(sqlite_uow)
    migrate.backup(url, tmp_path / "kept.db")
    sqlite_uow.database.close()
    restore(url, tmp_path / "kept.db")
    assert verify_database(url, MemoryArtifactStore()).is_sound
