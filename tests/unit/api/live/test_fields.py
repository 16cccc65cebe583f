"""The newest picture of a run as a file, and one value of it."""

import io
import json
import struct
import threading
import zlib
from uuid import uuid4

import numpy as np
import pytest
from tests.support import live_runs

from grid.api.live import asking
from grid.runtime.live.field_files import find_cell, write_png
from grid.runtime.live.frames import Stamp, encode_frame
from grid.runtime.store import LocalArtifactStore
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import decode_frame
from grid.schemas.live import CommandKind, RunReason
from grid.services import live

pytestmark = pytest.mark.jit
RUNS = "/api/v1/engine/runs"
SCENE = {
    "case": {
        "domain": {"size": [2.0, 1.0], "origin": [-1.0, 0.0], "section": 0.01},
        "material": {"conductivity": 50.0, "density": 7850.0, "specific_heat": 470.0},
        "initial": 300.0,
        "resolution": {"cells": [8, 4]},
        "temperature_unit": "K",
    }
}
VALUES = np.arange(32.0).reshape(8, 4) ** 2


@pytest.fixture
def claim(alice, uow):
    """A run of Alice of 8 x 4 cells."""
    live_runs.submissions(uow, scene=SCENE).submit(alice.user_id, live_runs.SPEC)
    held = live_runs.claim(uow)
    assert live_runs.begin(uow, held.claim)
    return held.claim


@pytest.fixture
def ask(alice, owner):
    """Asks for a file of the run while its owner shows a picture."""

    def get(path, request, values=VALUES, **query):
        def show():
            owner.wait_for(request)
            owner.show(64, values)

        thread = threading.Thread(target=show)
        thread.start()
        answer = alice.get(f"{RUNS}/{owner.run_id}/{path}", params=query)
        thread.join()
        return answer

    return get


WHOLE = FrameRequest(bits=16, codec="none")


def test_an_array_is_that_of_the_run_within_the_error_that_it_states(ask):
    answer = ask("field", WHOLE, format="npy")

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-npy"
    assert (answer.headers["grid-tick"], answer.headers["grid-time"]) == ("64", "2.0")
    values = np.load(io.BytesIO(answer.content))
    assert np.abs(values - VALUES).max() <= float(answer.headers["grid-error"]) < 0.01


def test_json_says_where_and_when_and_null_where_there_is_nothing(ask):
    hollow = np.where(VALUES == 0, np.nan, VALUES)
    document = ask("field", FrameRequest(level=1, bits=16, codec="none"), hollow, level=1).json()

    assert (document["field"], document["tick"], document["time_s"], document["level"]) == ("temperature", 64, 2.0, 1)
    assert (document["origin_m"], document["spacing_m"], document["shape"]) == ([-1.0, 0.0], [0.5, 0.5], [4, 2])
    assert document["values"][3][1] == pytest.approx(VALUES[6:, 2:].mean(), abs=0.01)
    whole = ask("field", WHOLE, hollow).json()
    assert whole["values"][0][0] is None


def test_an_image_for_paraview_has_the_box_of_the_scene(ask):
    content = ask("field", WHOLE, format="vti").content

    assert content.startswith(b"<?xml")
    words = content[: content.index(b"<AppendedData")].decode()
    assert 'WholeExtent="0 8 0 4' in words
    assert float(words.partition('Origin="')[2].split()[0]) == -1.0
    refused = ask("field", FrameRequest(level=1, bits=16, codec="none"), level=1, format="vti")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "level")


def test_json_of_many_cells_is_refused(ask):
    answer = ask("field", WHOLE, np.zeros((300, 300)))

    assert answer.status_code == 422
    assert "6.554e+04 cells allowed" in answer.json()["detail"]


def read_png(content):
    """Pixels of an image with a palette, rows from the top."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        data = content[place + 8 : place + 8 + size]
        assert struct.unpack_from(">I", content, place + 8 + size)[0] == zlib.crc32(kind + data)
        chunks[kind] = data
        place += 12 + size
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:], chunks


def test_a_heat_map_has_x_to_the_right_y_upwards_and_the_largest_value_brightest(ask):
    answer = ask("heatmap.png", WHOLE, width=80)

    assert answer.headers["content-type"] == "image/png"
    pixels, chunks = read_png(answer.content)
    assert pixels.shape == (40, 80)
    assert (pixels[0, -1], pixels[-1, 0]) == (255, 1)  # VALUES[7, 3] is largest, VALUES[0, 0] least
    brightness = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(256, 3).sum(axis=1)
    assert brightness[255] > brightness[128] > brightness[1]


@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 3)])
def test_every_shape_is_drawn_with_what_is_outside_transparent(shape):
    values = np.arange(float(np.prod(shape))).reshape(shape)
    values.flat[0] = np.nan
    pixels, chunks = read_png(write_png(decode_frame(encode_frame(values, Stamp(1, 0.0), bits=16)), 64))

    assert pixels.shape[1] == 64
    assert chunks[b"tRNS"] == b"\0"
    assert (pixels == 0).any() == (len(shape) < 3)  # the middle plane of the body has no such cell
    assert pixels.max() <= 255
    blank, _ = read_png(write_png(decode_frame(encode_frame(np.full(shape, np.nan), Stamp(1, 0.0))), 64))
    assert not blank.any()


def test_a_probe_is_the_value_of_its_cell(ask):
    cell = ((5, 6), (2, 3))
    answer = ask("probe", FrameRequest(region=cell, bits=16, codec="none"), x=0.3, y=0.51)

    document = answer.json()
    assert (document["cell"], document["tick"]) == ([5, 2], 64)
    assert document["value"] == pytest.approx(VALUES[5, 2], rel=1e-8)


def test_cells_of_positions_are_those_of_the_box_and_its_end_belongs_to_the_last():
    assert find_cell(SCENE, (-1.0, 0.0)) == ((0, 1), (0, 1))
    assert find_cell(SCENE, (1.0, 1.0)) == ((7, 8), (3, 4))


def test_a_place_outside_the_box_is_refused(alice, claim):
    wrong = [
        ({}, "position"), ({"x": 1.1, "y": 0.5}, "x"), ({"x": 0.0, "y": -0.1}, "y"), ({"x": 0.0}, "position"),
        ({"x": "nan", "y": 0}, "x"),
    ]  # fmt: skip
    for query, field in wrong:
        answer = alice.get(f"{RUNS}/{claim.run_id}/probe", params=query)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), query


def test_a_run_that_shows_nothing_says_so(alice, bob, uow, claim, monkeypatch):
    monkeypatch.setattr(asking, "CONNECT_S", 0.02)
    paths = [("field", {}), ("heatmap.png", {}), ("probe", {"x": 0, "y": 0})]
    for path, query in paths:
        url = f"{RUNS}/{claim.run_id}/{path}"
        assert alice.get(url, params=query).status_code == 503  # no owner is connected
        assert bob.get(url, params=query).status_code == 404
        assert alice.get(f"{RUNS}/{uuid4()}/{path}", params=query).status_code == 404
    live.fail_run(uow, claim, RunReason.DIVERGED)
    for path, query in paths:
        refused = alice.get(f"{RUNS}/{claim.run_id}/{path}", params=query)
        assert (refused.status_code, json.loads(refused.text)["type"]) == (409, "/problems/run-state")


def test_a_field_that_the_run_does_not_have_is_refused(alice, owner):
    def refuse():
        request = FrameRequest("stress", bits=16, codec="none")
        owner.wait_for(request)
        owner.tell("on_refused", request, "field: this run does not have it")

    thread = threading.Thread(target=refuse)
    thread.start()
    answer = alice.get(f"{RUNS}/{owner.run_id}/heatmap.png", params={"field": "stress"})
    thread.join()
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "field")


def test_a_run_that_has_ended_shows_the_fields_of_its_result(alice, uow, claim, settings):
    hollow = np.where(VALUES == 0, np.nan, VALUES)
    content = io.BytesIO()
    np.save(content, hollow)
    key = f"live/{claim.run_id}/1/1-temperature.npy"
    store = LocalArtifactStore(settings.resolved_artifacts_path)
    content.seek(0)
    store.put(key, content)
    live_runs.send(uow, claim.run_id, CommandKind.STOP)
    manifest = {"files": [{"name": "temperature.npy", "key": key}], "field_sha256": "ab", "tick": 96}
    assert live.conclude_run(uow, claim, manifest, tick=96)
    path = f"{RUNS}/{claim.run_id}"

    answer = alice.get(f"{path}/field", params={"format": "npy"})

    assert (answer.status_code, answer.headers["grid-tick"], answer.headers["grid-time"]) == (200, "96", "3.0")
    values = np.load(io.BytesIO(answer.content))
    assert np.isnan(values[0, 0])
    assert np.nanmax(np.abs(values - hollow)) <= float(answer.headers["grid-error"])
    assert alice.get(f"{path}/heatmap.png").content.startswith(b"\x89PNG")
    assert alice.get(f"{path}/probe", params={"x": 0.9, "y": 0.9}).json()["value"] == pytest.approx(961.0, abs=0.01)
    other = alice.get(f"{path}/field", params={"field": "damage"})
    assert (other.status_code, "temperature" in other.text) == (422, True)
