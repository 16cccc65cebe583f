"""Jobs in the page: the list with its filters, one job with field, log and files, and what can be done about it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect
from tests.e2e.browsing import Words, enter, find_faults
from tests.support.server import Server, environment
from tests.support.worker import HandWorker

from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.runtime.store import LocalArtifactStore
from grid.schemas.jobs import Reason
from grid.services import ledger

POISON = "<img src=x onerror=document.title='poisoned'>"
NODES = 101
FILE = "temperature_field.npy"
LARGE = 100 << 20  # bytes of a file that is downloaded
PLATE = {
    "kind": "diffusion", "dimension": 2, "steady": False, "temperature_unit": "degC",
    "domain": {"coordinates": "cartesian", "size": [0.2, 0.1]},
    "material": {"conductivity": 45.0, "density": 7850.0, "specific_heat": 460.0}, "initial": 20.0,
    "boundaries": {
        "x_min": {"type": "temperature", "value": 200.0},
        "y_max": {"type": "convection", "coefficient": 5000.0, "ambient": 20.0},
    },
    "resolution": {"cells": [40, 20], "steps": 20, "end_time": 100.0},
}  # fmt: skip
READ_PIXELS = """
(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const places = [[0.03, 0.25], [0.31, 0.03], [0.31, 0.97], [0.62, 0.5], [0.97, 0.1]];
  return places.map(([x, y]) => [...copy.getImageData(x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3)]);
}
"""
START_S = 60.0


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    """The server's API, as the administrator who also looks at the page."""
    headers = {"Authorization": f"Bearer {server.log_in()}"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=START_S) as client:
        yield client


@pytest.fixture(scope="module")
def hand(server: Server) -> Iterator[HandWorker]:
    """A worker at the server's own database, at the word of the test."""
    database = create_database(f"sqlite:///{server.home / 'grid.db'}")
    yield HandWorker(UnitOfWork(database), LocalArtifactStore(server.home / "artifacts"))
    database.close()


@dataclass(frozen=True)
class Solved:
    """Jobs that a real worker has solved, with their files made."""

    rod: str
    plate: str


@pytest.fixture(scope="module")
def solved(server: Server, api: httpx.Client) -> Solved:
    """A rod and a plate. The worker is gone when the tests go on, so that it takes no job of theirs."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    plate = {"simulation": "heat", "params": {"problem": PLATE}, "metadata": {"project": "plate"}}
    with (server.home.parent / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "grid.cli.main", "worker"],
            env=environment(server.home, server.port) | kept, cwd=server.home.parent, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        found = Solved(submit(api, project="bridge"), str(api.post("/jobs", json=plate).json()["jobs"][0]))
        for path in (f"/jobs/{found.plate}/fields", f"/jobs/{found.rod}/artifacts/{FILE}", f"/jobs/{found.rod}/result"):
            wait_until(lambda path=path: api.get(path).status_code == 200, f"{path} does not come")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=START_S)
    return found


@pytest.fixture
def tab(page: Page) -> Page:
    """The page of a test, as the tests of this file call it; `enter` logs in."""
    return page


def submit(api: httpx.Client, **labels: str) -> str:
    answer = api.post("/jobs", json={"simulation": "heat-rod", "params": {"diffusivity": 0.02}, "metadata": labels})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobs"][0])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_filters_are_in_the_address_and_stay_over_going_back_and_a_reload(
    tab: Page, api: httpx.Client, hand: HandWorker
) -> None:
    failing = submit(api, project="bridge")
    hand.fail(hand.start())
    waiting = submit(api, project=POISON)

    enter(tab, api, "/jobs")
    rows = tab.get_by_role("grid", name="Jobs").get_by_role("row")
    expect(tab.get_by_role("link", name=failing)).to_be_visible()
    expect(tab.get_by_role("link", name=waiting)).to_be_visible()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("1 needs a look")
    expect(rows.filter(has_text=POISON)).to_be_visible()  # a label is text
    tab.get_by_role("button", name="All states").click()
    tab.get_by_role("checkbox", name="failed").check()
    expect(tab.get_by_role("link", name=waiting)).to_be_hidden()
    assert tab.url.endswith("/jobs?status=failed")

    tab.get_by_role("link", name=failing).click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("failed")
    tab.go_back()
    expect(tab.get_by_role("link", name=failing)).to_be_visible()
    tab.reload()
    expect(tab.get_by_role("link", name=failing)).to_be_visible()
    expect(tab.get_by_role("link", name=waiting)).to_be_hidden()
    tab.get_by_role("searchbox", name="Search jobs").fill("no-such-thing")
    expect(tab.get_by_text("No job fits", exact=True)).to_be_visible()
    assert api.delete(f"/jobs/{waiting}").status_code == 202


def test_a_log_follows_while_its_end_is_in_sight_and_a_running_job_is_cancelled(
    tab: Page, api: httpx.Client, hand: HandWorker
) -> None:
    job = submit(api, name=POISON)
    (claim,) = hand.start()
    hand.log(claim.job_id, 0, "\n".join(f"step {line}" for line in range(200)) + "\n")

    enter(tab, api, f"/jobs/{job}")
    log = tab.get_by_role("log", name="Lines of the log")
    expect(log.get_by_text("step 199", exact=True)).to_be_visible()
    hand.log(claim.job_id, 1, f"\x1b[31m{POISON}\n")
    expect(log.get_by_text(f"\u241b[31m{POISON}")).to_be_visible()  # signs of a terminal are shown, markup is text

    log.hover()
    tab.mouse.wheel(0, -10_000)
    expect(log.get_by_text("step 0", exact=True)).to_be_visible()
    hand.log(claim.job_id, 2, "late\nlater\n")
    fresh = tab.get_by_role("button", name="2 new lines")
    expect(fresh).to_be_visible()
    expect(log.get_by_text("step 0", exact=True)).to_be_visible()  # it stayed where the reader is
    fresh.click()
    expect(log.get_by_text("later", exact=True)).to_be_visible()

    tab.get_by_role("button", name="Cancel…").click()
    dialog = tab.get_by_role("dialog", name="Cancel this job?")
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(dialog).to_be_hidden()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("cancelling")
    assert api.get(f"/jobs/{job}").json()["cancel_requested_at"] is not None
    hand.fail([claim], Reason.CANCELLED_BY_USER)
    assert "poisoned" not in tab.title()


def test_a_job_is_removed_only_with_its_identifier_typed(tab: Page, api: httpx.Client, hand: HandWorker) -> None:
    job = submit(api)
    hand.fail(hand.start())

    enter(tab, api, f"/jobs/{job}?tab=inputs")
    expect(tab.get_by_text("--param diffusivity=0.02")).to_be_visible()
    tab.get_by_role("button", name="More actions").click()
    tab.get_by_role("menuitem", name="Remove it").click()
    dialog = tab.get_by_role("dialog")
    remove = dialog.get_by_role("button", name="Remove it")
    dialog.get_by_label("Type the identifier").fill(job[:-1])
    expect(remove).to_be_disabled()
    dialog.get_by_label("Type the identifier").fill(job)
    remove.click()

    expect(tab).to_have_title("Jobs · Grid")
    assert api.get(f"/jobs/{job}").status_code == 404


def test_the_job_of_another_user_looks_like_none(tab: Page, server: Server, api: httpx.Client, words: Words) -> None:
    """Not even an administrator sees it unless asking for everybody's."""
    words.expect("status of 404")
    vera = {"username": "vera", "password": "a long password"}
    assert api.post("/users", json={**vera, "role": "user"}).status_code == 201
    token = httpx.post(f"{server.url}/api/v1/auth/login", json=vera).json()["access_token"]
    body = {"simulation": "noop", "params": {"duration_s": 0.1}}
    made = httpx.post(f"{server.url}/api/v1/jobs", json=body, headers={"Authorization": f"Bearer {token}"})
    (job,) = made.json()["jobs"]

    enter(tab, api, "/jobs?status=failed")
    for foreign in (job, "00000000-0000-7000-8000-000000000000"):
        tab.goto(f"/jobs/{foreign}")
        expect(tab.get_by_role("heading", level=1)).to_have_text("There is nothing here, or it is not yours.")
    cancelled = httpx.delete(f"{server.url}/api/v1/jobs/{job}", headers={"Authorization": f"Bearer {token}"})
    assert cancelled.status_code == 202


def test_a_large_file_is_downloaded_past_the_memory_of_the_tab(
    tab: Page, context: BrowserContext, server: Server, api: httpx.Client, hand: HandWorker
) -> None:
    """By a link for one use, which the browser follows by itself."""
    job = submit(api)
    claims = hand.start()
    assert str(claims[0].job_id) == job
    key = f"jobs/{job}/{claims[0].epoch}/{FILE}"
    entry = hand.put(key, FILE, b"\0")
    with (server.home / "artifacts" / key).open("r+b") as file:
        file.truncate(LARGE)  # sparse
    manifest = hand.make_manifest(claims[0], {})
    files = [{**entry, "size": LARGE}]
    ledger.conclude(hand.uow, [ledger.Succeeded(claims[0], {**manifest, "files": files})])

    enter(tab, api, f"/jobs/{job}?tab=files")
    debugger = context.new_cdp_session(tab)
    debugger.send("Performance.enable")
    get = tab.get_by_role("button", name=f"Download {FILE}")
    expect(get).to_be_visible()
    before = heap(debugger)
    with tab.expect_download() as download:
        get.click()
    assert download.value.path().stat().st_size == LARGE
    assert heap(debugger) - before < LARGE / 4
    assert "/downloads/" in download.value.url
    assert httpx.get(download.value.url).status_code == 404  # it was good once


def heap(debugger: CDPSession) -> float:
    """Return the bytes that scripts and buffers of a tab hold, after a collection."""
    debugger.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in debugger.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"] + metrics.get("ArrayBufferContents", 0))


def test_a_field_is_probed_exactly_and_its_files_are_downloaded(
    tab: Page, api: httpx.Client, solved: Solved, axe: None, tmp_path: Path
) -> None:
    """The value under the probe is that of the file to the last digit, though the picture is made of 16-bit codes."""
    job = solved.rod
    field = np.load(BytesIO(api.get(f"/jobs/{job}/artifacts/{FILE}").content))

    enter(tab, api, f"/jobs/{job}")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("the result can be trusted")
    expect(tab.get_by_role("img", name=re.compile("^Temperature, 0 to .* hottest"))).to_be_visible()
    probe = tab.get_by_role("group", name="Probe of Temperature: the arrows move it")
    for _ in range(3):
        probe.press("ArrowRight")
    cell = NODES // 2 + 3
    reading = tab.locator(f"output[data-cell='{cell}'] [title]")
    expect(reading).to_be_visible()
    for _ in range(100):  # the file is fetched after the first press
        shown = float(str(reading.get_attribute("title")).split()[0])
        if shown == field[-1, cell]:
            break
        tab.wait_for_timeout(50)
    assert shown == pytest.approx(field[-1, cell], abs=1e-6)
    assert find_faults(tab) == []

    tab.get_by_role("tab", name="Files").click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download all (zip)").click()
    download.value.save_as(tmp_path / "result.zip")
    with ZipFile(tmp_path / "result.zip") as archive:
        assert {"result.csv", FILE} <= set(archive.namelist())
        np.testing.assert_array_equal(np.load(BytesIO(archive.read(FILE))), field)


def test_both_painters_draw_the_same_field_the_right_way_up(
    tab: Page, api: httpx.Client, solved: Solved, words: Words
) -> None:
    """Hot at the left, and cooled from above: y points upwards. Software draws on a plain canvas unless asked."""
    words.expect("GL Driver Message")  # that the test reads a picture back is slow
    pictures = []
    enter(tab, api, "/me")
    for kind in ("canvas2d", "webgl2"):
        tab.evaluate("(kind) => localStorage.setItem('grid-painter', kind)", kind)
        tab.goto(f"/jobs/{solved.plate}?tab=field&iso=60")
        canvas = tab.locator(f"canvas[data-painter='{kind}']")
        expect(canvas).to_have_attribute("data-renderer", re.compile("SwiftShader"))
        expect(canvas).to_have_accessible_name(re.compile("^Temperature, .* hottest .* at x 0.00250"))
        wait_until(lambda canvas=canvas: min(map(max, canvas.evaluate(READ_PIXELS))) > 0, "nothing is drawn")
        pictures.append(np.array(canvas.evaluate(READ_PIXELS), dtype=int))
    plain, shaded = pictures

    np.testing.assert_allclose(shaded, plain, atol=2)
    lightness = plain.sum(axis=1)
    assert lightness[0] > lightness[2] > lightness[1] > lightness[4]
