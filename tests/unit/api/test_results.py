"""What jobs leave, over HTTP: logs, single files, and the zip."""

import asyncio
import contextlib
import io
import threading
import time
import zipfile
from uuid import UUID

import pytest
from starlette.requests import ClientDisconnect
from tests.support.worker import HandWorker

from grid.api import files
from grid.api.routes import results
from grid.services.ports import ArtifactStore

JOBS = "/api/v1/jobs"
FOUR = {
    "meta.json": b"{}",
    "result.csv": b"t_s\n0\n",
    "simulation_results.png": b"\x89PNG",
    "temperature_field.npy": b"N",
}
NOT_NAMES = ["nothing.csv", "..%2F..%2Fgrid.db", "%2E%2E%2Fmeta.json", "meta.json%00", "%2Fetc%2Fpasswd"]


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


def submit(client, **body):
    return client.post(JOBS, json=body or {"params": {}}).json()["jobs"][0]


def finish(client, worker, files, **body):
    job_id = submit(client, **body)
    worker.succeed(worker.start(), files)
    return job_id


@pytest.fixture
def render_soon(worker):
    """Make files in a second thread as soon as somebody waits for them."""
    threads = []

    def make(files=None, **failure):
        def work():
            while not worker.render(files, **failure):
                time.sleep(0.01)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield make
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_stranger_and_another_user_get_nothing(anonymous, alice, bob, worker):
    job_id = finish(alice, worker, FOUR)
    for path in ("logs", "logs/stream", "artifacts", "artifacts/meta.json", "result"):
        assert anonymous.get(f"{JOBS}/{job_id}/{path}").status_code == 401
        assert bob.get(f"{JOBS}/{job_id}/{path}").status_code == 404


def test_the_zip_holds_the_four_promised_files(alice, worker):
    job_id = finish(alice, worker, FOUR)

    answer = alice.get(f"{JOBS}/{job_id}/result")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert "attachment" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert {name: archive.read(name) for name in archive.namelist()} == FOUR
    assert alice.get(f"{JOBS}/{job_id}/result").content == answer.content


def test_without_a_result_the_state_is_told(alice, worker):
    waiting = submit(alice)
    answer = alice.get(f"{JOBS}/{waiting}/result")
    assert (answer.status_code, answer.json()["job_status"]) == (409, "queued")

    worker.fail(worker.start())
    answer = alice.get(f"{JOBS}/{waiting}/result")
    assert (answer.status_code, answer.json()["job_status"]) == (409, "failed")
    assert alice.get(f"{JOBS}/{waiting}/artifacts").json()["items"] == []


def test_files_are_attachments_of_a_fixed_type_whatever_the_manifest_says(alice, worker):
    job_id = finish(alice, worker, {**FOUR, "page.html": b"<script>", "picture.svg": b"<svg>"})

    kinds = {}
    for item in alice.get(f"{JOBS}/{job_id}/artifacts").json()["items"]:
        answer = alice.get(item["link"])
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["etag"] == f'"{item["sha256"]}"'
        assert len(answer.content) == item["size"]
        kinds[item["name"]] = answer.headers["content-type"].partition(";")[0]

    assert kinds == {
        "meta.json": "application/json",
        "page.html": "application/octet-stream",
        "picture.svg": "application/octet-stream",
        "result.csv": "text/csv",
        "simulation_results.png": "image/png",
        "temperature_field.npy": "application/x-npy",
    }


@pytest.mark.parametrize("name", NOT_NAMES)
def test_a_name_is_only_compared_and_never_a_path(alice, worker, name):
    job_id = finish(alice, worker, FOUR)

    assert alice.get(f"{JOBS}/{job_id}/artifacts/{name}").status_code in {400, 404, 422}


def test_files_of_a_built_in_simulation_are_made_when_asked_for_and_kept(alice, worker, render_soon, bell):
    job_id = finish(alice, worker, None, simulation="heat-rod")
    listed = alice.get(f"{JOBS}/{job_id}/artifacts").json()["items"]
    assert {item["name"] for item in listed} == set(FOUR)
    assert not any(item["is_stored"] for item in listed)

    render_soon(FOUR)
    answer = alice.get(f"{JOBS}/{job_id}/result")

    assert answer.status_code == 200
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert names == [item["name"] for item in listed]
    assert alice.get(f"{JOBS}/{job_id}/result").content == answer.content  # without a worker this time
    assert [topic for topic, _ in bell.rings].count("work") >= 2


def test_a_download_has_a_length_and_goes_on_where_it_broke_off(alice, worker):
    """Every split of every file and of the zip gives the same bytes as the whole."""
    job_id = finish(alice, worker, {**FOUR, "result.csv": bytes(range(256)) * 40})

    for path in ("result", "artifacts/result.csv"):
        whole = alice.get(f"{JOBS}/{job_id}/{path}")
        size, tag = len(whole.content), whole.headers["etag"]
        assert whole.headers["content-length"] == str(size)
        assert whole.headers["accept-ranges"] == "bytes"
        for place in (1, 100, size // 2, size - 1):
            rest = alice.get(f"{JOBS}/{job_id}/{path}", headers={"Range": f"bytes={place}-", "If-Range": tag})
            assert (rest.status_code, rest.content) == (206, whole.content[place:])
            assert rest.headers["content-range"] == f"bytes {place}-{size - 1}/{size}"
            assert rest.headers["content-length"] == str(size - place)
        parts = {"0-0": slice(1), "5-9": slice(5, 10), "-7": slice(-7, None), "3-99999999": slice(3, None)}
        for text, part in parts.items():
            answer = alice.get(f"{JOBS}/{job_id}/{path}", headers={"Range": f"bytes={text}"})
            assert (answer.status_code, answer.content) == (206, whole.content[part])


def test_a_range_that_cannot_be_served_is_refused_or_ignored_as_the_standard_says(alice, worker):
    job_id = finish(alice, worker, FOUR)
    for path in ("result", "artifacts/result.csv"):
        whole = alice.get(f"{JOBS}/{job_id}/{path}")
        size = len(whole.content)
        for text in (f"{size}-", "-0", f"{size + 5}-{size + 9}"):
            answer = alice.get(f"{JOBS}/{job_id}/{path}", headers={"Range": f"bytes={text}"})
            assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range-not-satisfiable")
            assert answer.headers["content-range"] == f"bytes */{size}"
        for ignored in ("bytes=0-0,2-3", "bytes=5-2", "bytes=-", "lines=0-1", "bytes=x-1", "bytes=" + "9" * 400 + "-"):
            answer = alice.get(f"{JOBS}/{job_id}/{path}", headers={"Range": ignored})
            assert (answer.status_code, answer.content) == (200, whole.content)
        other = alice.get(f"{JOBS}/{job_id}/{path}", headers={"Range": "bytes=1-", "If-Range": '"another"'})
        assert (other.status_code, other.content) == (200, whole.content)
        head = alice.head(f"{JOBS}/{job_id}/{path}", headers={"Range": "bytes=1-"})
        assert (head.status_code, head.headers["content-length"]) == (200, str(size))


def test_what_the_caller_has_already_is_not_sent_again(alice, worker):
    job_id = finish(alice, worker, FOUR)
    for path in ("result", "artifacts/result.csv"):
        tag = alice.get(f"{JOBS}/{job_id}/{path}").headers["etag"]
        for known in (tag, "*", f"W/{tag}", f'"x", {tag}'):
            answer = alice.get(f"{JOBS}/{job_id}/{path}", headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert alice.get(f"{JOBS}/{job_id}/{path}", headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_result_of_other_numerics_is_gone(alice, worker, render_soon):
    job_id = finish(alice, worker, None, simulation="heat-rod")
    render_soon(failure="The numerics changed from 1 to 2.", code="gone")

    answer = alice.get(f"{JOBS}/{job_id}/artifacts/result.csv")

    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/result-gone")
    assert "numerics" in answer.json()["detail"]


def test_a_render_that_nobody_makes_is_given_up_with_a_word(alice, worker, monkeypatch):
    monkeypatch.setattr(results, "RENDER_WAIT_S", 0.1)
    job_id = finish(alice, worker, None, simulation="heat-rod")

    answer = alice.get(f"{JOBS}/{job_id}/result")

    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_a_file_that_left_the_store_is_gone_and_not_an_error_of_the_server(alice, worker):
    job_id = finish(alice, worker, FOUR)
    for key in list(worker.store.keys(f"jobs/{job_id}/")):
        worker.store.delete(key)

    assert alice.get(f"{JOBS}/{job_id}/result").status_code == 410


def test_purging_removes_the_files_but_not_a_pack_that_others_need(alice, worker):
    made = alice.post(JOBS, json={"simulation": "heat-rod", "sweep": [{}, {}]}).json()["jobs"]
    worker.succeed(worker.start())
    program = finish(alice, worker, FOUR)

    assert alice.post(f"{JOBS}/{program}/purge").status_code == 204
    assert list(worker.store.keys("jobs/")) == []
    assert alice.post(f"{JOBS}/{made[0]}/purge").status_code == 204
    assert len(list(worker.store.keys("packs/"))) == 1
    assert alice.post(f"{JOBS}/{made[1]}/purge").status_code == 204
    assert list(worker.store.keys("packs/")) == []


def test_a_finished_job_shows_metrics_and_audits(alice, worker):
    job = alice.get(f"{JOBS}/{finish(alice, worker, FOUR)}").json()

    assert (job["status"], job["reason"], job["attempts"], job["progress"]) == ("success", "ok", 1, 1.0)
    assert job["metrics"] == {"peak_temperature": 100.0, "steps": 200}
    assert job["audits"][0]["verdict"] == "passed"
    assert job["started_at"] <= job["finished_at"]


def test_the_log_is_text_and_its_tail_is_the_last_lines(alice, worker):
    job_id = submit(alice)
    assert alice.get(f"{JOBS}/{job_id}/logs").text == ""
    worker.start()
    worker.log(UUID(job_id), 0, "one\ntwo\n")
    worker.log(UUID(job_id), 1, "three\nfour <&>\n")

    answer = alice.get(f"{JOBS}/{job_id}/logs")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "one\ntwo\nthree\nfour <&>\n"
    assert alice.get(f"{JOBS}/{job_id}/logs", params={"tail": 2}).text == "three\nfour <&>\n"
    assert alice.get(f"{JOBS}/{job_id}/logs", params={"tail": 0}).text == ""
    assert alice.get(f"{JOBS}/{job_id}/logs", params={"tail": -1}).status_code == 422


def test_sources_are_closed_however_an_answer_ends():
    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        if message.get("body") == b"second":
            raise OSError("the reader went away")

    def content(parts):
        yield from parts

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    whole = files.Span(0, 9, 9)
    for parts in ([b"first"], [b"first", b"second"], []):
        source = io.BytesIO()
        response = files.FileResponse(content(parts), whole, [source], {}, "application/zip")
        with contextlib.suppress(ClientDisconnect):
            asyncio.run(response(scope, receive, send))
        assert source.closed
