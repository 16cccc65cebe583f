"""Points of a sweep together over HTTP: columns, fields of some, and another run of those that failed."""

import io
from uuid import uuid4

import numpy as np
import pytest
from tests.support.solved_jobs import solve
from tests.support.worker import METRICS, HandWorker

from grid.schemas.frames import decode_frames
from grid.services import ledger
from grid.services.ports import ArtifactStore

JOBS, SWEEPS = "/api/v1/jobs", "/api/v1/sweeps"


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


def submit(client, points, simulation="heat-rod", **body):
    answer = client.post(JOBS, json={"simulation": simulation, "sweep": points, **body})
    assert answer.status_code == 202, answer.text
    return answer.json()


def solved(worker, claim, name="rod"):
    """End a point with the record of one of the solved bodies."""
    one, key = solve(name), f"packs/20260101/{claim.job_id}.npy"
    worker.store.put(key, io.BytesIO(one.pack))
    manifest = {"metrics": {"largest_error": 1e-5}, "audits": [], "numerics_version": "1"}
    return ledger.Succeeded(claim, {**manifest, "pack": {**one.entry, "key": key}})


def test_strangers_and_others_get_nothing(alice, bob, anonymous):
    for sweep in (submit(alice, [{}])["sweep"], uuid4()):
        calls = [
            ("get", f"{SWEEPS}/{sweep}/columns", {}),
            ("get", f"{SWEEPS}/{sweep}/fields/temperature", {"params": {"points": "0"}}),
            ("post", f"{SWEEPS}/{sweep}/rerun", {"json": {"select": "failed"}}),
        ]
        for method, path, more in calls:
            assert getattr(anonymous, method)(path, **more).status_code == 401
            assert getattr(bob, method)(path, **more).status_code == 404


def test_columns_have_all_points_with_units_and_null_where_there_is_nothing(alice, worker):
    made = submit(alice, [{"length": 1.0 + place} for place in range(4)], params={"time_steps": 7})
    claims = worker.start()
    worker.succeed(claims[:2])
    worker.fail(claims[3:])

    answer = alice.get(f"{SWEEPS}/{made['sweep']}/columns", params={"names": "params.length,metrics.steps"})

    found = answer.json()
    assert (found["points"], found["index"], found["job_id"]) == (4, [0, 1, 2, 3], made["jobs"])
    assert found["status"] == ["success", "success", "running", "failed"]
    assert found["reason"] == ["ok", "ok", None, "diverged"]
    assert found["columns"] == [
        {"name": "params.length", "title": "Length", "unit": "m", "values": [1.0, 2.0, 3.0, 4.0]},
        {"name": "metrics.steps", "title": "steps", "unit": None, "values": [200, 200, None, None]},
    ]
    default = alice.get(f"{SWEEPS}/{made['sweep']}/columns").json()
    assert [column["name"] for column in default["columns"]] == ["params.length", *(f"metrics.{m}" for m in METRICS)]


def test_columns_are_sent_again_only_when_a_point_has_changed(alice, worker):
    made = submit(alice, [{}, {"length": 2.0}])
    path = f"{SWEEPS}/{made['sweep']}/columns"
    first = alice.get(path)
    tag = first.headers["etag"]

    assert tag.startswith(f'"{first.json()["version"]}')
    assert alice.get(path, headers={"If-None-Match": tag}).status_code == 304
    claims = worker.start()
    worker.succeed(claims[:1])
    changed = alice.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, ["success", "running"])
    worker.fail(claims[1:])
    tag = alice.get(path).headers["etag"]
    assert alice.post(f"{JOBS}/{made['jobs'][0]}/purge").status_code == 204
    removed = alice.get(path, headers={"If-None-Match": tag})
    assert (removed.status_code, removed.json()["index"], removed.json()["points"]) == (200, [1], 2)


def test_nested_parameters_are_columns_by_their_path(alice):
    problem = solve("wall").params["problem"]
    points = [{"problem.material.conductivity": 40.0 + k, "problem.resolution.cells[0]": 8 + k} for k in range(3)]
    made = submit(alice, points, "heat", params={"problem": problem})
    path = f"{SWEEPS}/{made['sweep']}/columns"

    names = "params.problem.material.conductivity,params.problem.resolution.cells[0],params.problem.guess"
    refused = alice.get(path, params={"names": names})
    found = alice.get(path, params={"names": names.rpartition(",")[0]}).json()["columns"]

    assert refused.status_code == 422
    assert [column["values"] for column in found] == [[40.0, 41.0, 42.0], [8, 9, 10]]
    default = [column["name"] for column in alice.get(path).json()["columns"]]
    assert default == ["params.problem.material.conductivity", "params.problem.resolution.cells"]


@pytest.mark.parametrize(
    ("names", "limit"),
    [
        ("length", "must begin with params. or metrics."),
        ("params.bogus", "each must be a parameter or a metric that a point of the sweep has"),
        ("metrics.bogus", "each must be a parameter or a metric that a point of the sweep has"),
        (",".join(f"params.p{place}" for place in range(65)), "at most 64 names"),
        ("params.", "must be a name, or a path as in problem.material.conductivity or sources[0].power"),
    ],
)
def test_names_that_no_point_has_are_refused(alice, worker, names, limit):
    made = submit(alice, [{}, {"length": 2.0}])
    worker.succeed(worker.start())

    answer = alice.get(f"{SWEEPS}/{made['sweep']}/columns", params={"names": names})

    assert (answer.status_code, answer.json()["errors"][0]["limit"]) == (422, limit)


def test_a_metric_may_be_asked_for_before_any_point_has_it(alice):
    made = submit(alice, [{}])

    answer = alice.get(f"{SWEEPS}/{made['sweep']}/columns", params={"names": "metrics.largest_error"})

    assert answer.json()["columns"] == [
        {"name": "metrics.largest_error", "title": "Largest error, over the span", "unit": "1", "values": [None]}
    ]


def test_fields_of_points_are_frames_that_name_their_point(alice, uow, worker):
    made = submit(alice, [{"time_steps": 5, "spatial_steps": 21}] * 4)
    claims = worker.start()
    ledger.conclude(uow, [solved(worker, claims[0]), solved(worker, claims[2]), solved(worker, claims[3])])
    path = f"{SWEEPS}/{made['sweep']}/fields/temperature"

    answer = alice.get(path, params={"points": "3,0,1"})

    frames = list(decode_frames(answer.content))
    assert [frame.header.epoch for frame in frames] == [0, 3]
    for frame in frames:
        np.testing.assert_allclose(frame.values.ravel(), solve("rod").record["final"], atol=frame.header.error * 1.001)
    (first,) = decode_frames(alice.get(path, params={"points": "2", "time": 0, "max_cells": 6}).content)
    assert (first.header.tick, first.header.epoch, first.values.size) == (0, 2, 6)
    known = {"If-None-Match": answer.headers["etag"]}
    assert alice.get(path, params={"points": "3,0,1"}, headers=known).status_code == 304
    assert alice.get(path, params={"points": "1"}).content == b""
    assert alice.get(f"{SWEEPS}/{made['sweep']}/fields/stress", params={"points": "0"}).status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"points": ""}, "points"),
        ({"points": "0,0"}, "points"),
        ({"points": "0,-1"}, "points"),
        ({"points": "2"}, "points"),
        ({"points": ",".join(map(str, range(65)))}, "points"),
        ({"points": "0", "time": "all"}, "time"),
        ({"points": "0,1", "max_cells": 2**24}, "max_cells"),
        ({"points": "0", "bits": 9}, "bits"),
    ],
)
def test_bad_questions_for_fields_are_refused_by_name(alice, query, field):
    made = submit(alice, [{}, {}])

    answer = alice.get(f"{SWEEPS}/{made['sweep']}/fields/temperature", params=query)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_what_failed_is_run_again_as_a_sweep_of_its_own(alice, worker):
    points = [{"length": 1.0 + place} for place in range(4)]
    made = submit(alice, points, metadata={"project": "p"}, timeout_s=99.0, priority=3)
    claims = worker.start()
    worker.succeed(claims[:2])
    worker.fail(claims[2:])
    path, headers = f"{SWEEPS}/{made['sweep']}/rerun", {"Idempotency-Key": "once"}

    answer = alice.post(path, json={"select": "failed"}, headers=headers)

    assert answer.status_code == 202
    again = answer.json()
    assert (again["points"], again["simulation"]) == (2, "heat-rod")
    assert again["metadata"] == {"project": "p", "rerun_of": made["sweep"]}
    rows = alice.get(f"{SWEEPS}/{again['id']}").json()["rows"]
    assert [row["params"]["length"] for row in rows] == [3.0, 4.0]
    job = alice.get(f"{JOBS}/{rows[0]['job_id']}").json()
    assert (job["timeout_s"], job["priority"]) == (99.0, 3)
    assert alice.post(path, json={"select": "failed"}, headers=headers).json()["id"] == again["id"]
    assert alice.post(path, json={"select": "unsuccessful"}, headers=headers).status_code == 422
    assert alice.post(path, json={}).json()["id"] != again["id"]
    nothing = alice.post(path, json={"select": "expired"})
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/nothing-to-rerun")
    for body in ({"select": "success"}, {"select": "failed", "points": [1]}, []):
        assert alice.post(path, json=body).status_code == 422
