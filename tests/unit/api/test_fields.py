"""Fields of finished jobs over HTTP, by the clients and on the command line; no worker makes them."""

import asyncio
import json

import numpy as np
import pytest
from tests.support.solved_jobs import finish, solve
from tests.support.worker import HandWorker
from tests.unit.api.test_client import AppTransport
from tests.unit.api.test_live_client import ADDRESS, AsyncTransport
from typer.testing import CliRunner

from grid.api import reading
from grid.cli.main import app as commands
from grid.client.client import AsyncGridClient, GridClient
from grid.client.errors import ProblemError
from grid.schemas.frames import decode_frames
from grid.services.ports import ArtifactStore

JOBS = "/api/v1/jobs"


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


@pytest.fixture
def done(alice, worker):
    """Solve one of the bodies as a job of Alice."""
    return lambda name: finish(alice, worker, name)


def frames_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.grid.frames"
    assert answer.headers["content-length"] == str(len(answer.content))
    return list(decode_frames(answer.content))


def test_strangers_and_others_get_nothing(anonymous, alice, bob, done):
    job = done("rod")
    for path in ("fields", "fields/temperature", "series"):
        assert anonymous.get(f"{JOBS}/{job}/{path}").status_code == 401
        assert bob.get(f"{JOBS}/{job}/{path}").status_code == 404
        assert alice.get(f"{JOBS}/{job}/{path}").status_code == 200


def test_a_rod_is_listed_with_axes_times_and_extremes(alice, done):
    job = done("rod")
    (field,) = alice.get(f"{JOBS}/{job}/fields").json()["items"]

    assert len(field.pop("sha256")) == 64
    assert field.pop("times") == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert field == {
        "name": "temperature", "title": "Temperature", "unit": "degC", "map": "cividis", "kept": "all",
        "axes": [
            {"name": "x", "unit": "m", "at": "node", "count": 21, "origin": 0.0, "spacing": 0.05, "values": None}
        ],
        "min": 0.0, "max": 100.0,
    }  # fmt: skip


def test_the_series_of_a_result_come_from_its_record(alice, done, worker):
    job = done("plate")

    columns = alice.get(f"{JOBS}/{job}/series").json()["columns"]

    assert [(column["name"], column["unit"]) for column in columns] == [
        ("time", "s"), ("mean", "degC"), ("max", "degC"), ("min", "degC"),
    ]  # fmt: skip
    assert columns[1]["title"] == "Mean temperature"
    np.testing.assert_array_equal([column["values"] for column in columns], solve("plate").record["series"])
    for key in list(worker.store.keys("packs/")):
        worker.store.delete(key)
    assert alice.get(f"{JOBS}/{job}/series").status_code == 410


@pytest.mark.parametrize("name", ["rod", "wall", "plate", "block", "live"])
def test_the_last_field_is_the_stored_one_within_half_a_code(alice, done, name):
    job, final = done(name), solve(name).record["final"]
    (frame,) = frames_of(alice.get(f"{JOBS}/{job}/fields/temperature"))

    header = frame.header
    assert header.run == bytes.fromhex(job.replace("-", "")[:16])
    assert (header.field, header.epoch, header.level, header.bits, header.codec) == (0, 0, 0, 16, 1)
    times = alice.get(f"{JOBS}/{job}/fields").json()["items"][0]["times"]
    assert (header.tick, header.time_s) == (len(times) - 1, times[-1])
    shown = frame.values.reshape(final.shape)
    assert np.abs(shown - final).max() <= header.error * (1 + 1e-9)


def test_cells_outside_the_body_have_no_value_and_no_say(alice, done):
    job, final = done("masked"), solve("masked").record["final"]
    (frame,) = frames_of(alice.get(f"{JOBS}/{job}/fields/temperature"))
    (half,) = frames_of(alice.get(f"{JOBS}/{job}/fields/temperature", params={"max_cells": 20}))

    outside = np.isnan(frame.values)
    assert outside[5:, 3:].all()
    assert outside.sum() == 15
    np.testing.assert_allclose(frame.values[~outside], final[~outside], atol=frame.header.error * 1.001)
    assert half.values.shape == (5, 3)
    assert half.values[2, 1] == pytest.approx(np.mean([final[4, 2], final[5, 2], final[4, 3]]), abs=half.header.error)
    assert half.values[4, 0] == pytest.approx(final[8:10, 0:2].mean(), abs=half.header.error)


def test_planes_times_codes_and_codecs_are_chosen(alice, done):
    job, final = done("block"), solve("block").record["final"]
    path = f"{JOBS}/{job}/fields/temperature"

    (plane,) = frames_of(alice.get(path, params={"axis": "z", "index": 2, "bits": 12, "codec": "zstd"}))
    assert (plane.header.size, plane.header.origin) == ((8, 4, 1), (0, 0, 2))
    assert (plane.header.bits, plane.header.codec) == (12, 2)
    np.testing.assert_allclose(plane.values, final[:, :, 2], atol=plane.header.error * 1.001)
    every = frames_of(alice.get(path, params={"time": "all", "codec": "none"}))
    assert [frame.header.tick for frame in every] == [0, 1, 2]
    (first,) = frames_of(alice.get(path, params={"time": 0}))
    np.testing.assert_array_equal(first.values, np.full((8, 4, 3), 20.0))


def test_what_is_known_is_not_read_again(alice, done, worker):
    job = done("plate")
    path, query = f"{JOBS}/{job}/fields/temperature", {"max_cells": 30}
    answer = alice.get(path, params=query)
    tag = answer.headers["etag"]

    assert alice.get(path, params=query).content == answer.content
    head = alice.head(path, params=query)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert head.headers["content-length"] == str(len(answer.content))
    assert alice.get(path, params={"max_cells": 31}).headers["etag"] != tag
    assert alice.get(path, params=query, headers={"If-None-Match": '"x"'}).status_code == 200
    assert alice.get(path, params=query, headers={"If-None-Match": "*"}).status_code == 304
    assert alice.get(f"{JOBS}/{job}/fields/none", headers={"If-None-Match": "*"}).status_code == 404
    for key in list(worker.store.keys("packs/")):
        worker.store.delete(key)
    known = alice.get(path, params=query, headers={"If-None-Match": f'"y", {tag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)


def test_without_a_result_the_state_is_told(alice, worker):
    waiting = alice.post(JOBS, json={"simulation": "heat-rod", "params": {}}).json()["jobs"][0]
    for state in ("queued", "failed"):
        if state == "failed":
            worker.fail(worker.start())
        for path in ("fields", "fields/temperature", "series"):
            answer = alice.get(f"{JOBS}/{waiting}/{path}")
            assert (answer.status_code, answer.json()["job_status"]) == (409, state)
            assert answer.json()["type"] == "/problems/no-result"


def test_a_simulation_that_names_no_fields_has_none(alice, done, worker):
    program = alice.post(JOBS, json={"params": {}}).json()["jobs"][0]
    worker.succeed(worker.start(), {"result.csv": b"t\n"})
    for job in (done("noop"), program):
        assert alice.get(f"{JOBS}/{job}/fields").json() == {"items": []}
        assert alice.get(f"{JOBS}/{job}/series").json() == {"columns": []}
        assert alice.get(f"{JOBS}/{job}/fields/temperature").status_code == 404
    answer = alice.get(f"{JOBS}/{done('rod')}/fields/stress")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        alice.get(f"{JOBS}/{program}/fields/x").json()["detail"],
    )


REFUSED = [
    ({"time": "3"}, "time", "0 to 2"), ({"time": "first"}, "time", "last, all"), ({"time": "-1"}, "time", "last, all"),
    ({"time": "1" * 99}, "time", "5"), ({"axis": "w"}, "axis", "z"), ({"index": 1}, "axis", "required"),
    ({"axis": "z", "index": 3}, "index", "0 to 2"), ({"axis": "z", "index": -1}, "index", "0"),
    ({"axis": "z", "index": 65536}, "index", "65535"), ({"max_cells": 0}, "max_cells", "1"),
    ({"max_cells": 4194305}, "max_cells", "4194304"), ({"bits": 9}, "bits", "12"), ({"bits": 17}, "bits", "16"),
    ({"codec": "lz4"}, "codec", "deflate"), ({"size": 4}, "size", ""),
]  # fmt: skip


def test_a_request_outside_its_limits_names_field_and_limit(alice, done):
    job = done("block")
    for query, field, limit in REFUSED:
        answer = alice.get(f"{JOBS}/{job}/fields/temperature", params=query)

        assert answer.status_code == 422, (query, answer.text)
        (problem,) = answer.json()["errors"]
        assert problem["field"].endswith(field), query
        assert limit in problem["limit"], query


def test_a_record_that_is_gone_or_damaged_is_told(alice, done, worker):
    job = done("rod")
    (key,) = worker.store.keys("packs/")
    whole = (worker.store.root / key).read_bytes()
    (worker.store.root / key).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for word in ("damaged", "not in the store"):
        for path in ("fields", "fields/temperature"):
            answer = alice.get(f"{JOBS}/{job}/{path}")
            assert (answer.status_code, answer.json()["type"]) == (410, "/problems/result-gone")
            assert word in answer.json()["detail"]
            assert key not in answer.text
        worker.store.delete(key)


def test_records_are_read_a_few_at_once(alice, done, app):
    alice.get(f"{JOBS}/{done('rod')}/fields")
    assert app.state.field_readers.total_tokens == reading.READERS == 2


@pytest.fixture(params=["waits", "awaits"])
def fields(request, alice):
    """The verbs of the client, and those of the client that is awaited."""
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    if request.param == "waits":
        return GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice)).fields
    found = AsyncGridClient(ADDRESS, lambda **_: token, transport=AsyncTransport(alice)).fields

    class Awaited:
        def __getattr__(self, verb):
            return lambda *given, **named: asyncio.run(getattr(found, verb)(*given, **named))

    return Awaited()


def test_the_clients_return_arrays_with_axes(fields, done):
    job, final = done("block"), solve("block").record["final"]
    (field,) = fields.list(job).items
    assert (field.unit, field.kept) == ("K", "all")

    (whole,) = fields.read(job, "temperature")
    np.testing.assert_allclose(whole.values, final, atol=whole.error * 1.001)
    assert {name: len(places) for name, places in whole.axes.items()} == {"x": 8, "y": 4, "z": 3}
    np.testing.assert_allclose(whole.axes["z"], 3.0 + 0.02 / 3 * np.array([0.5, 1.5, 2.5]))
    every = fields.read(job, "temperature", time="all", max_cells=12)
    assert [(one.tick, one.time_s) for one in every] == [(0, 0.0), (1, 15.0), (2, 30.0)]
    assert every[-1].values.shape == (2, 1, 1)
    np.testing.assert_allclose(every[-1].axes["x"], [1.025, 1.075])
    np.testing.assert_allclose(every[-1].axes["z"], [3.01])
    (plane,) = fields.read(job, "temperature", axis="y", index=1)
    assert plane.values.shape == (8, 1, 3)
    np.testing.assert_allclose(plane.axes["y"], [2.015])
    with pytest.raises(ProblemError) as caught:
        fields.read(job, "temperature", time=9)
    assert caught.value.status == 422


def test_the_command_line_lists_fields_and_writes_arrays(alice, done, monkeypatch, tmp_path):
    job, final = done("plate"), solve("plate").record["final"]
    token = alice.headers["Authorization"].removeprefix("Bearer ")

    def from_settings(*_):
        return GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice))

    monkeypatch.setattr(GridClient, "from_settings", from_settings)

    def grid(*arguments, code=0):
        ended = CliRunner().invoke(commands, ["jobs", "fields", *map(str, arguments)])
        assert ended.exit_code == code, ended.output
        return ended.output

    assert "10 x 6" in grid(job)
    assert json.loads(grid(job, "--json")) == alice.get(f"{JOBS}/{job}/fields").json()
    out = tmp_path / "field.npy"
    told = json.loads(grid(job, "temperature", "--out", out, "--json"))
    np.testing.assert_allclose(np.load(out), final, atol=told["items"][0]["error"] * 1.001)
    assert (told["unit"], told["items"][0]["shape"]) == ("degC", [10, 6])
    assert "60" in grid(job, "temperature", "--time", "all", "--out", out)
    assert np.load(out).shape == (4, 10, 6)
    assert "time" in grid(job, "temperature", "--time", 7, code=3)
    assert grid(job, "stress", "--out", tmp_path / "no.npy", code=4)
    assert not (tmp_path / "no.npy").exists()
    assert "names no fields" in grid(done("noop"))
