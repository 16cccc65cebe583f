"""Two jobs side by side over HTTP: inputs, metrics, the difference of a field, and its frame."""

import copy
from uuid import uuid4

import numpy as np
import pytest
from tests.support import solved_jobs
from tests.support.solved_jobs import PLATE, finish, solve
from tests.support.worker import HandWorker

from grid.schemas.frames import decode_frames
from grid.services.ports import ArtifactStore

JOBS = "/api/v1/jobs"
HOTTER, FINER = copy.deepcopy(PLATE), copy.deepcopy(PLATE)
HOTTER["boundaries"]["x_min"]["value"] = 150.0
FINER["resolution"]["cells"] = [20, 12]
solved_jobs.BODIES |= {
    "hotter": ("heat", {"problem": HOTTER, "outputs": 3}),
    "finer": ("heat", {"problem": FINER, "outputs": 6}),
}


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


@pytest.fixture
def done(alice, worker):
    """Solve one of the bodies as a job of Alice."""
    return lambda name: finish(alice, worker, name)


def compare(client, first, second, **query):
    answer = client.get(f"{JOBS}/{first}/diff/{second}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_is_anothers_is_not_found_on_either_side(alice, bob, anonymous, done):
    mine = done("plate")
    his = bob.post(JOBS, json={"simulation": "noop"}).json()["jobs"][0]
    for first, second in ((mine, his), (his, mine), (mine, uuid4()), (uuid4(), mine)):
        for path in (f"{JOBS}/{first}/diff/{second}", f"{JOBS}/{first}/diff/{second}/fields/temperature"):
            assert alice.get(path).status_code == 404
            assert alice.get(path, params={"time": "last"}).status_code == 404
            assert anonymous.get(path).status_code == 401
    assert alice.get(f"{JOBS}/{mine}/diff/{mine}").status_code == 200


def test_inputs_that_differ_are_named_with_units_and_metrics_stand_side_by_side(alice, worker):
    def end(**params):
        job = alice.post(JOBS, json={"simulation": "heat-rod", "params": params}).json()["jobs"][0]
        worker.succeed(worker.start())
        return job

    found = compare(alice, end(length=1.0, time_steps=50), end(length=2.0, time_steps=50))

    assert found["inputs"] == [{"name": "params.length", "title": "Length", "unit": "m", "a": 1.0, "b": 2.0}]
    assert (found["inputs_total"], found["inputs_equal"]) == (1, 7)
    assert found["metrics"][0] == {
        "name": "peak_temperature",
        "title": "peak temperature",
        "unit": None,
        "a": 100.0,
        "b": 100.0,
    }
    assert found["norms"] is found["field"] is found["reason"] is None


def test_jobs_of_different_simulations_are_compared_and_need_no_result(alice):
    rod, noop = (alice.post(JOBS, json={"simulation": name}).json()["jobs"][0] for name in ("heat-rod", "noop"))

    found = compare(alice, rod, noop)

    names = {one["name"]: (one["a"], one["b"]) for one in found["inputs"]}
    assert names["simulation"] == ("heat-rod", "noop")
    assert names["params.length"] == (1.0, None)
    answer = alice.get(f"{JOBS}/{rod}/diff/{noop}", params={"field": "temperature"})
    assert (answer.status_code, answer.json()["job_status"]) == (409, "queued")


def test_the_difference_of_a_field_is_that_of_the_stored_arrays(alice, done):
    first, second = done("plate"), done("hotter")
    expected = solve("hotter").record["final"] - solve("plate").record["final"]

    found = compare(alice, first, second, field="temperature")

    place = np.unravel_index(np.abs(expected).argmax(), expected.shape)
    assert found["unit"] == "K"
    assert found["norms"]["max"] == pytest.approx(np.abs(expected).max())
    assert found["norms"]["l2"] == pytest.approx(np.sqrt((expected**2).mean()))
    assert tuple(found["where"]["index"]) == place
    assert found["where"]["difference"] == pytest.approx(expected[place])
    assert found["where"]["at"]["x"] == pytest.approx(1.0 + 0.01 * (place[0] + 0.5))
    assert (found["time_s"], found["other_time_s"]) == (60.0, 60.0)
    assert [one["name"] for one in found["inputs"]] == ["params.problem.boundaries.x_min.value"]
    answer = alice.get(found["field"])
    (frame,) = decode_frames(answer.content)
    np.testing.assert_allclose(frame.values.reshape(expected.shape), expected, atol=frame.header.error * 1.001)
    assert alice.get(found["field"], headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    back = alice.get(f"{JOBS}/{second}/diff/{first}/fields/temperature")
    assert back.headers["etag"] != answer.headers["etag"]
    (small,) = decode_frames(alice.get(found["field"], params={"max_cells": 20}).content)
    assert small.values.shape == (5, 3)


def test_another_grid_is_restricted_conservatively_and_other_times_are_the_nearest(alice, done):
    first, second = done("finer"), done("plate")

    found = compare(alice, first, second, field="temperature", time=2)

    assert [axis["count"] for axis in found["axes"]] == [10, 6]
    assert (found["time_s"], found["other_time_s"]) == (20.0, 20.0)
    final = compare(alice, first, second, field="temperature")
    fine = solve("finer").record["final"].reshape(10, 2, 6, 2).mean(axis=(1, 3))
    expected = solve("plate").record["final"] - fine
    assert final["norms"]["max"] == pytest.approx(np.abs(expected).max(), rel=1e-9)


def test_bodies_of_different_size_have_a_reason_and_no_norms(alice, done):
    first, second = done("plate"), done("rod")

    found = compare(alice, first, second, field="temperature")

    assert found["norms"] is found["field"] is None
    assert found["reason"] == "One field has 2 axes, the other 1."
    answer = alice.get(f"{JOBS}/{first}/diff/{second}/fields/temperature")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/incomparable-fields")
    assert answer.json()["detail"] == found["reason"]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"time": "all"}, "time"), ({"time": "9"}, "time"), ({"time": "soon"}, "time"), ({"fields": "x"}, "fields")],
)
def test_bad_questions_are_refused_by_name(alice, done, query, field):
    job = done("plate")
    answer = alice.get(f"{JOBS}/{job}/diff/{job}", params={"field": "temperature", **query})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert alice.get(f"{JOBS}/{job}/diff/{job}", params={"field": "stress"}).status_code == 404
    assert alice.get(f"{JOBS}/{job}/diff/{job}/fields/temperature", params={"max_cells": 0}).status_code == 422
