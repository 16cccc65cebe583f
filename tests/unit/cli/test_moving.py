"""Backup, restore and copies from the command line: what they print, and when they refuse."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.databases import SqliteMaker
from tests.support.ledgers import MANIFEST, add_owner, claim, submit
from tests.support.s3 import S3Bench, serving_bench
from typer.testing import CliRunner

from grid.cli.main import app
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.runtime.home import open_home, write_pid_file
from grid.runtime.store import LocalArtifactStore
from grid.services import ledger
from grid.services.ledger import Succeeded

PACK = MANIFEST["pack"]["key"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_maker: SqliteMaker) -> Iterator[Path]:
    """A data folder with one job that has a result."""
    home = open_home(tmp_path / "home").root
    for name, value in {"GRID_HOME": home, "GRID_PORT": "1"}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("DATABASE_URL", "GRID_ARTIFACTS_URL", "ARTIFACTS_PATH", "GRID_COPY_TO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with sqlite_maker.url(home) as url:
        database = create_database(url)
        uow = UnitOfWork(database)
        submit(uow, add_owner(uow))
        (job,) = claim(uow).jobs
        ledger.conclude(uow, [Succeeded(job.claim, MANIFEST, {})], [], [job.claim])
        database.close()
        LocalArtifactStore(home / "artifacts").put(PACK, io.BytesIO(b"a pack"))
        yield home


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output if code else done.stdout


def test_a_backup_is_verified_with_its_artifacts_and_put_back(home: Path, tmp_path: Path):
    kept = tmp_path / "kept.db"
    assert "all 1 artifacts that it refers to are there" in run("db", "backup", kept, "--verify")
    report = json.loads(run("db", "restore", kept, "--verify", "--json"))
    assert report["is_sound"] is True
    assert Path(report["saved"]).parent == home / "backups"


def test_missing_artifacts_are_listed_and_are_no_success(home: Path, tmp_path: Path):
    (home / "artifacts" / PACK).unlink()
    told = run("db", "backup", tmp_path / "kept.db", "--verify", code=1)
    assert "1 of 1 artifacts are missing" in told
    assert PACK in told
    report = json.loads(run("db", "restore", tmp_path / "kept.db", "--verify", "--json", code=1))
    assert (report["is_sound"], report["missing"]) == (False, [PACK])


@pytest.mark.parametrize("command", [("db", "restore", "kept.db"), ("db", "copy", "--to", "postgresql://h/grid")])
@pytest.mark.parametrize("role", ["server", "worker"])
def test_nothing_is_replaced_or_copied_under_a_service_that_runs(home: Path, command, role: str):
    write_pid_file(open_home(home), role)
    assert f"a {role} runs" in run(*command, code=5)


def test_nothing_is_copied_while_a_worker_is_heard_of_elsewhere(home: Path):
    database = create_database(f"sqlite:///{home / 'grid.db'}")
    with UnitOfWork(database).begin() as tx:
        tx.workers.beat("far-1", host="far", pid=1, details={})
    database.close()
    assert "far-1" in run("db", "copy", "--to", "postgresql://h/grid", code=5)


def test_a_target_that_is_no_postgresql_is_refused_by_its_option(home: Path):
    assert "--to" in run("db", "copy", "--to", "sqlite:///copy.db", code=3)


@pytest.mark.postgres
def test_the_database_is_copied_into_postgresql(home: Path, postgres_server, monkeypatch: pytest.MonkeyPatch):
    name = postgres_server.create()
    monkeypatch.setenv("GRID_COPY_TO", postgres_server.url(name).replace("+psycopg", ""))
    report = json.loads(run("db", "copy", "--json"))
    assert report["tables"]["jobs"]["rows"] == 1
    assert report["rows"] == sum(table["rows"] for table in report["tables"].values())
    assert "not empty" in run("db", "copy", code=5)
    postgres_server.drop(name)


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Bench]:
    with serving_bench() as (server, clients):
        monkeypatch.setenv("GRID_S3_ENDPOINT", server.url)
        yield S3Bench(server, clients, tmp_path)


def test_results_are_copied_into_a_bucket_and_back(home: Path, s3: S3Bench, tmp_path: Path, monkeypatch):
    told = run("artifacts", "copy", "--to", "s3://grid-tests/grid/results")
    assert "1 artifacts are in s3://grid-tests/grid/results" in told
    assert s3.blobs()[PACK] == b"a pack"
    assert json.loads(run("artifacts", "copy", "--to", "s3://grid-tests/grid/results", "--json"))["present"] == 1

    monkeypatch.setenv("GRID_ARTIFACTS_URL", "s3://grid-tests/grid/results")
    assert json.loads(run("artifacts", "copy", "--to", tmp_path / "back", "--json"))["copied"] == 1
    assert (tmp_path / "back" / PACK).read_bytes() == b"a pack"
    assert "all 1 artifacts" in run("db", "backup", tmp_path / "kept.db", "--verify")


@pytest.mark.parametrize("to", ["s3://", "s3://UPPER", "http://127.0.0.1/bucket", "home/artifacts"])
def test_what_is_no_place_for_results_is_refused(home: Path, to: str):
    assert "--to" in run("artifacts", "copy", "--to", to, code=3)


def test_a_bucket_in_use_is_refused_by_what_it_holds(home: Path, s3: S3Bench):
    s3.store.put("packs/of/another.npy", io.BytesIO(b"x"))
    assert "packs/of/another.npy" in run("artifacts", "copy", "--to", "s3://grid-tests/grid/results", code=5)


def test_a_server_that_is_away_is_told(home: Path, monkeypatch: pytest.MonkeyPatch, s3: S3Bench):
    s3.stop()
    assert "does not answer" in run("artifacts", "copy", "--to", "s3://grid-tests/grid/results", code=7)
    s3.start()


def test_doctor_says_what_a_server_lacks(home: Path, s3: S3Bench, monkeypatch: pytest.MonkeyPatch):
    from grid.cli.doctor import _artifacts
    from grid.core.settings import Settings

    assert list(_artifacts(Settings())) == []
    monkeypatch.setenv("GRID_ARTIFACTS_URL", "s3://grid-tests/grid/results")
    (finding,) = _artifacts(Settings())
    assert (finding.subject, finding.verdict) == ("artifacts", "good")
    s3.server.ignores_checksums = True
    (finding,) = _artifacts(Settings())
    assert (finding.verdict, "wrong checksums" in finding.sentence) == ("note", True)
    s3.server.refuse("PUT", 403, "AccessDenied")
    (finding,) = _artifacts(Settings())
    assert (finding.verdict, "credentials" in finding.sentence) == ("unsafe", True)
