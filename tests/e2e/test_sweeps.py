"""A sweep made with the editor, two of its points diverging: failed lane, brush, and two points compared."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import enter, find_faults_in_both
from tests.support.server import Server, environment

START_S = 60.0
TABLE = "duration_s,fail\n" + "".join(f"{0.01 * row},{'diverge' if row > 10 else 'no'}\n" for row in range(1, 13))


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    """The server's API, as the administrator who also looks at the page."""
    headers = {"Authorization": f"Bearer {server.log_in()}"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=START_S) as client:
        yield client


@pytest.fixture(scope="module")
def worker(server: Server) -> Iterator[None]:
    """A real worker beside the server, for the tests of this file."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    with (server.home.parent / "sweep-worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "grid.cli.main", "worker"],
            env=environment(server.home, server.port) | kept, cwd=server.home.parent, stdout=log, stderr=log,
        )  # fmt: skip
    yield
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=START_S)


@pytest.fixture
def tab(page: Page) -> Page:
    """The page of a test, as the tests of this file call it; `enter` logs in."""
    return page


@pytest.fixture(scope="module")
def rods(api: httpx.Client, worker: None) -> str:
    """A finished sweep of four rods."""
    sweep = [{"diffusivity": diffusivity} for diffusivity in (0.005, 0.01, 0.02, 0.04)]
    answer = api.post("/jobs", json={"simulation": "heat-rod", "params": {"spatial_steps": 41}, "sweep": sweep})
    assert answer.status_code == 202, answer.text
    identifier = str(answer.json()["sweep"])
    deadline = time.monotonic() + START_S
    while not api.get(f"/sweeps/{identifier}").json()["is_finished"]:
        assert time.monotonic() < deadline, "the sweep does not end"
        time.sleep(0.1)
    return identifier


def heading(tab: Page) -> Locator:
    return tab.get_by_role("heading", level=1)


def test_a_sweep_of_twelve_shows_the_two_that_diverged_and_answers_a_brush(
    tab: Page, api: httpx.Client, worker: None
) -> None:
    enter(tab, api, "/jobs/new?sim=noop")
    tab.get_by_role("button", name="Paste a table").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_role("textbox").fill(TABLE)
    dialog.get_by_role("button", name="Take 12 points").click()
    expect(heading(tab)).to_contain_text("12 points")
    tab.get_by_role("button", name="Submit").click()

    expect(heading(tab)).to_contain_text("10 of 12 points succeeded, 2 failed: all with", timeout=60_000)
    expect(tab.get_by_text("2 failed points beside the axes")).to_be_visible()
    assert tab.get_by_test_id("parallel").locator("circle").count() >= 2
    tab.get_by_role("button", name="diverged 2").click()
    expect(tab.get_by_text("2 of 12 chosen")).to_be_visible()
    expect(tab.get_by_role("grid", name="Points")).to_have_attribute("aria-rowcount", "3")
    tab.get_by_role("button", name="diverged 2").click()

    brush(tab)
    chosen = tab.get_by_text(re.compile(r"^[1-9] of 12 chosen$"))
    expect(chosen).to_be_visible()
    saved_as_seen(tab, int(chosen.inner_text()[0]))
    tab.get_by_role("button", name=re.compile("Remove the range")).click()
    expect(tab.get_by_text("all 12 chosen")).to_be_visible()


def saved_as_seen(tab: Page, chosen: int) -> None:
    """The picture has what is drawn, in its colours; the tables are that of the choice, and that of the server."""
    picture = Image.open(BytesIO(save(tab, "Save Parallel coordinates", "Picture"))).convert("RGB")
    box = tab.get_by_test_id("parallel").bounding_box()
    assert box is not None
    assert picture.width >= 2 * box["width"]
    accent = np.abs(np.asarray(picture, dtype=int) - np.array([0x1F, 0x5F, 0xA8])).sum(axis=2) < 80
    assert accent.sum() > 1_000  # the lines that are chosen
    table = save(tab, "Save Parallel coordinates", "chosen point").decode().splitlines()
    assert table[0].startswith("point,job,state,reason,")
    assert "Duration [s]" in table[0]
    assert len(table) == 1 + chosen
    assert len(save(tab, "Save Points", "The whole sweep").decode().splitlines()) == 13


def save(tab: Page, menu: str, entry: str) -> bytes:
    tab.get_by_role("button", name=menu).click()
    with tab.expect_download() as download:
        tab.get_by_role("menuitem", name=re.compile(entry)).click()
    return download.value.path().read_bytes()


def brush(tab: Page) -> None:
    """Drag along the lower half of the first axis."""
    box = tab.get_by_test_id("parallel").bounding_box()
    assert box is not None
    x = box["x"] + 72
    tab.mouse.move(x, box["y"] + box["height"] - 20)
    tab.mouse.down()
    tab.mouse.move(x, box["y"] + box["height"] - 100, steps=5)
    tab.mouse.up()


def test_failed_points_run_again_as_a_new_sweep(tab: Page, api: httpx.Client, worker: None) -> None:
    sweep = [{"fail": "no"}, {"fail": "diverge"}]
    identifier = api.post("/jobs", json={"simulation": "noop", "params": {}, "sweep": sweep}).json()["sweep"]
    enter(tab, api, f"/sweeps/{identifier}")
    tab.get_by_role("button", name="Run 1 again").click(timeout=60_000)

    expect(tab).not_to_have_url(re.compile(identifier))
    expect(heading(tab)).to_contain_text("of 1 point")
    again = api.get(f"/sweeps/{tab.url.rpartition('/')[2]}").json()
    assert (again["points"], again["metadata"]["rerun_of"]) == (1, identifier)


def test_two_points_are_compared_and_the_gap_is_that_of_numpy(tab: Page, api: httpx.Client, rods: str) -> None:
    enter(tab, api, f"/sweeps/{rods}?tab=table")
    for row in (1, 4):
        tab.get_by_label(f"Choose row {row}", exact=True).check()
    tab.keyboard.press("c")
    expect(heading(tab)).to_contain_text("largest gap")

    jobs = api.get(f"/sweeps/{rods}/columns").json()["job_id"]
    first, last = (final_temperature(api, jobs[place]) for place in (0, 3))
    gap = float(np.abs(last - first).max())
    difference = api.get(f"/jobs/{jobs[0]}/diff/{jobs[3]}", params={"field": "temperature"}).json()
    assert difference["norms"]["max"] == pytest.approx(gap, rel=1e-12)
    shown = heading(tab).inner_text().replace("\u2009", " ")
    match = re.search(r"(\d+) of \d+ inputs differs?; largest gap ([\d.]+) K at x = ([\d.]+) m", shown) or re.search(
        r"(\d+) of \d+ inputs differs?; largest gap ([\d.]+) K", shown
    )
    assert match is not None, shown
    assert match[1] == "1"
    assert float(match[2]) == pytest.approx(gap, rel=5e-4)  # four digits are shown

    tab.get_by_role("button", name="Swap").click()
    expect(tab).to_have_url(re.compile(f"a={jobs[3]}&b={jobs[0]}"))
    tab.get_by_role("button", name="A: point before").click()
    expect(tab).to_have_url(re.compile(f"a={jobs[2]}&b={jobs[0]}"))


def final_temperature(api: httpx.Client, job: str) -> np.ndarray:
    """Return the last temperatures of a rod from its file."""
    answer = api.get(f"/jobs/{job}/artifacts/temperature_field.npy")
    answer.raise_for_status()
    return np.load(BytesIO(answer.content))[-1]


def test_sweep_and_comparison_have_no_serious_fault(tab: Page, api: httpx.Client, rods: str, axe: None) -> None:
    jobs = api.get(f"/sweeps/{rods}/columns").json()["job_id"]
    enter(tab, api, "/sweeps")
    expect(heading(tab)).to_contain_text("sweep")
    found = {"/sweeps": find_faults_in_both(tab)}
    for path, ready in {
        f"/sweeps/{rods}": "succeeded",
        f"/sweeps/{rods}?tab=fields": "succeeded",
        f"/compare?a={jobs[0]}&b={jobs[1]}": "largest gap",
    }.items():
        tab.goto(path)
        expect(heading(tab)).to_contain_text(ready)
        found[path] = find_faults_in_both(tab)

    assert not any(found.values()), found
