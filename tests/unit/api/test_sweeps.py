"""Sweeps over HTTP: strangers get nothing, the table, its CSV, and cancelling."""

import csv
import io
from uuid import uuid4

import pytest
from tests.support.worker import METRICS, HandWorker

from grid.services.ports import ArtifactStore

JOBS, SWEEPS = "/api/v1/jobs", "/api/v1/sweeps"


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


def submit(client, points, **body):
    return client.post(JOBS, json={"simulation": "noop", "sweep": points, **body}).json()


def test_a_stranger_and_another_user_get_nothing(anonymous, alice, bob):
    sweep = submit(alice, [{}])["sweep"]

    assert anonymous.get(SWEEPS).status_code == 401
    for path in (sweep, uuid4()):
        for call in ("get", "delete"):
            assert getattr(anonymous, call)(f"{SWEEPS}/{path}").status_code == 401
            assert getattr(bob, call)(f"{SWEEPS}/{path}").status_code == 404
        assert bob.get(f"{SWEEPS}/{path}", params={"format": "csv"}).status_code == 404
    assert bob.get(SWEEPS).json()["items"] == []


def test_a_sweep_shows_counts_and_a_table(alice, worker):
    made = submit(alice, [{"duration_s": 0.1}, {"duration_s": 0.2}, {"duration_s": 0.3}], metadata={"project": "p"})
    claims = worker.start()
    worker.succeed(claims[:1])

    sweep = alice.get(f"{SWEEPS}/{made['sweep']}", params={"size": 2}).json()

    assert (sweep["points"], sweep["total"], sweep["pages"], sweep["is_finished"]) == (3, 3, 2, False)
    assert sweep["by_status"]["success"] == 1
    assert sweep["by_status"]["running"] == 2
    assert sweep["progress"] == pytest.approx(1 / 3)
    assert sweep["metadata"] == {"project": "p"}
    assert [row["job_id"] for row in sweep["rows"]] == made["jobs"][:2]
    assert [row["params"]["duration_s"] for row in sweep["rows"]] == [0.1, 0.2]
    assert [row["metrics"] for row in sweep["rows"]] == [METRICS, None]


def test_a_sweep_is_a_csv_too(alice):
    made = submit(alice, [{"duration_s": 0.1}, {"duration_s": 0.2}])

    answer = alice.get(f"{SWEEPS}/{made['sweep']}", params={"format": "csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["job_id"], row["status"], row["duration_s"]) for row in rows] == [
        (made["jobs"][0], "queued", "0.1"),
        (made["jobs"][1], "queued", "0.2"),
    ]


def test_sweeps_are_listed_newest_first_and_paged(alice):
    made = [submit(alice, [{}])["sweep"] for _ in range(3)]

    page = alice.get(SWEEPS, params={"page": 2, "size": 2}).json()

    assert [sweep["id"] for sweep in page["items"]] == made[:1]
    assert (page["total"], page["pages"]) == (3, 2)


def test_cancelling_a_sweep_ends_what_waits(alice):
    made = submit(alice, [{}] * 3)

    first = alice.delete(f"{SWEEPS}/{made['sweep']}")
    again = alice.delete(f"{SWEEPS}/{made['sweep']}")

    assert (first.status_code, first.json()["by_status"]["cancelled"]) == (202, 3)
    assert (again.status_code, again.json()["is_finished"]) == (202, True)
    assert alice.get(f"{JOBS}/{made['jobs'][0]}").json()["reason"] == "cancelled_by_sweep"


@pytest.mark.parametrize("params", [{"size": 1001}, {"size": 0}, {"page": 0}, {"format": "xml"}])
def test_a_page_that_cannot_be_is_refused(alice, params):
    assert alice.get(f"{SWEEPS}/{submit(alice, [{}])['sweep']}", params=params).status_code == 422


def test_a_sweep_of_ten_thousand_points_is_one_request(alice):
    points = [{"diffusivity": 0.001 + 1e-7 * place} for place in range(10_000)]

    made = submit(alice, points, simulation="heat-rod")

    assert len(set(made["jobs"])) == 10_000
    assert made["sweep_mapping"][made["jobs"][9_999]] == points[9_999]
    assert alice.get(f"{SWEEPS}/{made['sweep']}").json()["by_status"]["queued"] == 10_000


def test_points_of_one_state_are_read_by_cursor_with_their_reason_and_sentence(alice, worker):
    sweep = alice.post("/api/v1/jobs", json={"simulation": "noop", "sweep": [{}] * 6}).json()["sweep"]
    claims = worker.start()
    worker.succeed(claims[:2])
    for claim in claims[2:5]:
        worker.fail([claim])
    place = f"/api/v1/sweeps/{sweep}"

    first = alice.get(place, params={"status": "failed", "limit": 2}).json()
    rest = alice.get(place, params={"status": ["failed", "timed_out"], "limit": 2, "after": first["next"]}).json()

    rows = first["rows"] + rest["rows"]
    assert [row["index"] for row in rows] == [2, 3, 4]
    assert rest["next"] is None
    assert all(row["reason"] and row["message"] for row in rows)
    assert alice.get(place, params={"status": "failed"}).status_code == 422
    assert alice.get(place, params={"status": "lost", "limit": 1}).status_code == 422
    assert alice.get(place, params={"status": "failed", "format": "csv"}).status_code == 422
    assert alice.get(place, params={"format": "csv"}).status_code == 200
