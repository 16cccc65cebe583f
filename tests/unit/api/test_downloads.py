"""Downloads by a link that is used once: what a browser needs, and what others must not get by it."""

import io
import logging
import zipfile
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.support.worker import HandWorker

from grid.core.logging import configure
from grid.core.tokens import digest_download_token, make_download_token, make_login_code
from grid.services import downloads
from grid.services.ports import ArtifactStore

JOBS, DOWNLOADS, SWEEPS = "/api/v1/jobs", "/api/v1/downloads", "/api/v1/sweeps"
INCIDENTS = "/api/v1/incidents"
FILES = {"meta.json": b"{}", "result.csv": b"t_s\n0\n1\n2\n"}


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


@pytest.fixture
def job_id(alice, worker):
    """A finished job of alice's with two files."""
    made = alice.post(JOBS, json={"params": {}}).json()["jobs"][0]
    worker.succeed(worker.start(), FILES)
    return made


@pytest.fixture
def hands(uow):
    """A clock of the database whose hands the test turns."""

    class Hands:
        now = datetime.now(UTC)

        def __call__(self):
            return self.now

    uow.database.clock = Hands()
    return uow.database.clock


def make_link(client, path):
    answer = client.post(DOWNLOADS, json={"path": path})
    assert answer.status_code == 201, answer.text
    return answer.json()["url"]


def test_a_link_needs_no_header_and_gives_an_attachment(alice, job_id, anonymous):
    answer = alice.post(DOWNLOADS, json={"path": f"{JOBS}/{job_id}/result"})
    assert answer.json()["url"].startswith(f"{DOWNLOADS}/grid_dl_")
    assert answer.json()["expires_in"] == 60

    file = anonymous.get(answer.json()["url"])

    assert file.status_code == 200
    assert "attachment" in file.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(file.content))
    assert {name: archive.read(name) for name in archive.namelist()} == FILES


@pytest.fixture
def incident_id(alice):
    """An incident of alice's, opened by hand."""
    run = alice.post("/api/v1/engine/runs", json={"scenario": "overload", "cells": [32, 4]}).json()["id"]
    return alice.post(INCIDENTS, json={"run": run, "title": "too hot"}).json()["id"]


@pytest.mark.parametrize("format_", ["md", "json"])
def test_an_incident_is_exported_as_at_its_own_address(alice, incident_id, anonymous, format_):
    path = f"{INCIDENTS}/{incident_id}/export?format={format_}"
    own, by_link = alice.get(path), anonymous.get(make_link(alice, path))

    assert (own.status_code, by_link.status_code) == (200, 200)
    assert by_link.content == own.content
    for name in ("content-type", "content-disposition"):
        assert by_link.headers[name] == own.headers[name]


def test_an_incident_of_somebody_else_or_in_another_format_has_no_link(alice, bob, incident_id):
    path = f"{INCIDENTS}/{incident_id}/export"
    assert bob.post(DOWNLOADS, json={"path": f"{path}?format=md"}).status_code == 404
    for wrong in (path, f"{path}?format=pdf", f"{path}?format=md&format=json", f"{path}?format=md&x=1"):
        answer = alice.post(DOWNLOADS, json={"path": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "path"), wrong


def test_every_kind_of_file_is_the_same_as_at_its_own_address(alice, job_id, anonymous):
    alice.post(JOBS, json={"simulation": "heat-rod", "sweep": [{"length": 1.0}, {"length": 2.0}]})
    sweep_id = alice.get(SWEEPS).json()["items"][0]["id"]
    paths = [
        f"{JOBS}/{job_id}/result",
        f"{JOBS}/{job_id}/artifacts/result.csv",
        f"{JOBS}/{job_id}/artifacts/meta%2Ejson",
        f"{SWEEPS}/{sweep_id}?format=csv",
    ]
    for path in paths:
        own, by_link = alice.get(path), anonymous.get(make_link(alice, path))
        assert (own.status_code, by_link.status_code) == (200, 200), path
        assert by_link.content == own.content
        for name in ("content-type", "content-disposition"):
            assert by_link.headers[name] == own.headers[name]
        assert by_link.headers["x-content-type-options"] == "nosniff"


def test_a_download_that_broke_off_goes_on_with_another_link(alice, job_id, anonymous):
    path = f"{JOBS}/{job_id}/artifacts/result.csv"
    whole = anonymous.get(make_link(alice, path))
    rest = anonymous.get(make_link(alice, path), headers={"Range": "bytes=4-", "If-Range": whole.headers["etag"]})

    assert rest.status_code == 206
    assert rest.content == FILES["result.csv"][4:]
    assert anonymous.get(make_link(alice, path), headers={"Range": "bytes=99-"}).status_code == 416


def test_a_link_is_used_once(alice, job_id, anonymous):
    link = make_link(alice, f"{JOBS}/{job_id}/result")

    assert [anonymous.get(link).status_code for _ in range(2)] == [200, 404]
    assert alice.get(link).status_code == 404


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 404)])
def test_a_link_is_good_for_a_minute(alice, job_id, anonymous, hands, seconds, status):
    link = make_link(alice, f"{JOBS}/{job_id}/result")
    hands.now += timedelta(seconds=seconds)

    assert anonymous.get(link).status_code == status


def test_a_link_is_worth_nothing_once_its_session_has_ended(alice, job_id, anonymous):
    link = make_link(alice, f"{JOBS}/{job_id}/result")
    alice.post("/api/v1/auth/logout")

    assert anonymous.get(link).status_code == 404


def test_a_link_to_what_was_removed_meanwhile_finds_nothing(alice, job_id, anonymous):
    link = make_link(alice, f"{JOBS}/{job_id}/result")
    assert alice.post(f"{JOBS}/{job_id}/purge").status_code == 204

    assert anonymous.get(link).status_code == 404


def test_what_is_not_yours_is_not_found_as_what_never_was(bob, anonymous, administrator, alice, job_id):
    alice.post(JOBS, json={"simulation": "heat-rod", "sweep": [{"length": 1.0}, {"length": 2.0}]})
    sweep_id = alice.get(SWEEPS).json()["items"][0]["id"]
    for shape, known in (
        (f"{JOBS}/{{}}/result", job_id),
        (f"{JOBS}/{{}}/artifacts/meta.json", job_id),
        (f"{SWEEPS}/{{}}?format=csv", sweep_id),
    ):
        for client in (bob, administrator):
            foreign, never = (client.post(DOWNLOADS, json={"path": shape.format(one)}) for one in (known, uuid4()))
            assert (foreign.status_code, never.status_code) == (404, 404)
            assert foreign.json()["detail"] == never.json()["detail"]
        assert anonymous.post(DOWNLOADS, json={"path": shape.format(known)}).status_code == 401


def test_an_administrator_gets_everybodys_file_on_request_and_nobody_else_does(administrator, bob, anonymous, job_id):
    path = f"{JOBS}/{job_id}/artifacts/meta.json?all=true"

    assert anonymous.get(make_link(administrator, path)).content == FILES["meta.json"]
    assert bob.post(DOWNLOADS, json={"path": path}).status_code == 403


def test_a_job_without_a_result_says_so_before_there_is_a_link(alice):
    waiting = alice.post(JOBS, json={"params": {}}).json()["jobs"][0]
    answer = alice.post(DOWNLOADS, json={"path": f"{JOBS}/{waiting}/result"})

    assert (answer.status_code, answer.json()["job_status"]) == (409, "queued")


def test_files_that_are_made_on_request_are_begun_with_the_link(alice, worker, bell):
    made = alice.post(JOBS, json={"simulation": "heat-rod"}).json()["jobs"][0]
    worker.succeed(worker.start(), None)
    rings = len(bell.rings)
    link = make_link(alice, f"{JOBS}/{made}/artifacts/result.csv")
    assert len(bell.rings) > rings
    assert worker.render({"result.csv": b"t_s\n"})

    assert alice.get(link).content == b"t_s\n"


ID = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        f"{JOBS}/{ID}",
        f"{JOBS}/{ID}/logs",
        f"{JOBS}/{ID}/result/",
        f"{JOBS}/{ID}/result?format=csv",
        f"{JOBS}/{ID}/result?all=maybe&x=1",
        f"{JOBS}/{ID}/result#x",
        f"{JOBS}/{ID}/artifacts/",
        f"{JOBS}/{ID}/artifacts/a/b",
        f"{JOBS}/{ID}/artifacts/{'a' * 256}",
        f"{JOBS}/../users/{ID}/result",
        f"{JOBS}/x/result",
        f"{SWEEPS}/{ID}",
        f"{SWEEPS}/{ID}?format=json",
        f"{SWEEPS}/{ID}?format=csv&page=1",
        f"http://127.0.0.1:8000{JOBS}/{ID}/result",
        f"//evil.example{JOBS}/{ID}/result",
        f"//[{JOBS}/{ID}/result",
        "/api/v1/users/me",
        "/api/v1/downloads/x",
        "/" + "a" * 1024,
        "\u0663",
    ],
)
def test_what_is_no_file_of_this_server_is_refused_by_its_field(alice, path):
    answer = alice.post(DOWNLOADS, json={"path": path})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "path"


@pytest.mark.parametrize("body", [{}, {"path": 1}, {"path": f"{JOBS}/{ID}/result", "owner": ID}, []])
def test_a_malformed_request_is_refused(alice, body):
    assert alice.post(DOWNLOADS, json=body).status_code == 422


@pytest.mark.parametrize("name", ["..%2F..%2Fgrid.db", "%2Fetc%2Fpasswd", "nothing.csv", "%00", "%FF"])
def test_a_name_is_only_compared_and_never_a_path(alice, job_id, name):
    assert alice.post(DOWNLOADS, json={"path": f"{JOBS}/{job_id}/artifacts/{name}"}).status_code == 404


@pytest.mark.parametrize(
    "token",
    ["x", make_download_token(), make_login_code(), "grid_dl_" + "A" * 44, "a" * 256],
    ids=["short", "download", "login", "too long", "long"],
)
def test_a_token_that_nobody_made_finds_nothing(anonymous, token):
    assert anonymous.get(f"{DOWNLOADS}/{token}").status_code == 404


def test_a_code_of_a_login_link_downloads_nothing_and_the_other_way_round(alice, job_id, anonymous):
    code = alice.post("/api/v1/auth/link").json()["path"].partition("=")[2]
    token = make_link(alice, f"{JOBS}/{job_id}/result").rpartition("/")[2]
    own = {"Origin": "http://127.0.0.1:8000"}

    assert anonymous.get(f"{DOWNLOADS}/{code}").status_code == 404
    assert anonymous.post("/api/v1/auth/web/link", json={"code": token}, headers=own).status_code == 401


def test_a_token_is_stored_as_its_hash_and_bound_to_user_and_path(alice, job_id, uow):
    path = f"{JOBS}/{job_id}/result"
    token = make_link(alice, path).rpartition("/")[2]
    with uow.read() as tx:
        ((digest, subject, user_id),) = tx.connection.exec_driver_sql(
            "SELECT digest, subject, user_id FROM one_time_tokens"
        ).fetchall()

    assert (digest, subject, user_id) == (digest_download_token(token), path, alice.user_id.hex)


def test_unused_links_of_a_user_are_limited(alice, job_id, monkeypatch):
    monkeypatch.setattr(downloads, "MOST_UNUSED", 3)
    answers = [alice.post(DOWNLOADS, json={"path": f"{JOBS}/{job_id}/result"}).status_code for _ in range(4)]

    assert answers == [201] * 3 + [429]


def test_no_token_is_written_to_the_log(alice, job_id, anonymous, log_lines):
    link = make_link(alice, f"{JOBS}/{job_id}/result")
    anonymous.get(link)

    lines = log_lines()
    assert f"{DOWNLOADS}/[redacted]" in lines
    assert link.rpartition("_")[2] not in lines


@pytest.fixture
def log_lines():
    """Return what the service has logged since the test began, as its file would have it."""
    stream = io.StringIO()
    configure("INFO", json=True, stream=stream)
    yield stream.getvalue
    for handler in logging.getLogger().handlers[:]:
        if getattr(handler, "is_grids", False):
            logging.getLogger().removeHandler(handler)
