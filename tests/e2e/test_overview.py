"""The overview and the strip: what is wrong, what runs, what ended since somebody looked."""

import io
import re
import time

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tests.e2e import seeding
from tests.e2e.browsing import Words, open_page
from tests.support.server import Server

ROWS = 20_000
SETTLE_MS = 1_500  # until all that a page asks at first is answered
EVERY_MS = 6_000  # more than lies between two questions where nothing tells
IN_SIGHT = 60  # rows of 32 px in 720 px, and those that are kept ready beside them


@pytest.fixture(scope="module")
def job(server: Server) -> str:
    return seeding.submit(server, simulation="noop")[0]


@pytest.fixture
def alert(server: Server):
    """A critical alert that fires during the test."""
    alert_id = seeding.critical_alert(server.home)
    yield alert_id
    seeding.change(server.home, "DELETE FROM alerts WHERE id = ?", alert_id)


def test_what_failed_needs_a_look_until_somebody_says_that_they_have(page: Page, server: Server, job: str) -> None:
    seeding.copy_job(
        server.home, job, [seeding.ended("failed", "diverged", ago_s=20), seeding.ended("failed", "oom", ago_s=9)]
    )
    open_page(page, server)

    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("2 results need a look")
    needs = page.get_by_role("list", name="Needs a look")
    expect(needs.get_by_role("listitem")).to_have_text([re.compile("noop: oom"), re.compile("noop: diverged")])

    page.get_by_role("button", name="I have looked").click()
    expect(needs).to_be_hidden()
    page.reload()
    expect(heading).to_contain_text(re.compile(r"Nothing (needs you|runs)"))
    expect(heading).not_to_contain_text("a look")
    expect(page.get_by_role("list", name="Finished").get_by_role("listitem")).to_have_count(2)


def test_the_overview_asks_for_nothing_while_nothing_changes_and_follows_what_does(
    page: Page, server: Server, job: str, words: Words
) -> None:
    """The socket tells; without it the page asks every few seconds, and says so."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("/api/v1/")[2]))
    open_page(page, server)
    expect(page.get_by_text("connected", exact=True)).to_be_visible()
    page.wait_for_timeout(SETTLE_MS)
    asked.clear()
    page.wait_for_timeout(EVERY_MS)
    assert [path for path in asked if path.startswith(("jobs", "sweeps", "alerts"))] == []

    ended = page.get_by_role("list", name="Finished").get_by_role("listitem")
    points = seeding.submit(server, simulation="noop", sweep=[{"duration_s": 0.1}, {"duration_s": 0.2}])
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 sweep goes on")
    for point in points:
        cancel(server, point)
    expect(ended.filter(has_text="0 / 2")).to_be_visible()

    words.expect("status of 503")
    page.route("**/streams/tickets", lambda route: route.fulfill(status=503, json={"status": 503}))
    page.reload()
    expect(page.get_by_text("asking", exact=True)).to_be_visible()
    expect(ended.filter(has_text="0 / 2")).to_be_visible()
    before = ended.count()
    cancel(server, seeding.submit(server, simulation="noop")[0])
    expect(ended).to_have_count(before + 1)


def cancel(server: Server, job_id: str) -> None:
    answer = httpx.delete(f"{server.url}/api/v1/jobs/{job_id}", headers=seeding.log_in_headers(server))
    answer.raise_for_status()


def test_the_strip_tells_within_ten_seconds_that_the_worker_has_stopped(page: Page, server: Server) -> None:
    now = time.time()
    seeding.insert(
        server.home, "workers", id="w-1", host="here", pid=1, started_at=now, last_seen_at=now + 3600,
        last_poll_at=now, details={"slots": 2, "busy": 0},
    )  # fmt: skip
    open_page(page, server)
    expect(page.get_by_text("ok, all parts ready")).to_be_visible(timeout=10_000)

    seeding.change(server.home, "UPDATE workers SET stopped_at = ? WHERE id = 'w-1'", time.time())

    expect(page.get_by_role("banner")).to_contain_text("worker away", timeout=10_000)
    expect(page.get_by_role("heading", level=1)).to_contain_text("The worker is away")


def test_a_critical_alert_is_told_from_others_without_any_colour(page: Page, server: Server, alert: str) -> None:
    others = [
        seeding.critical_alert(server.home, severity, f"{severity} one") for severity in ("high", "medium", "low")
    ]
    open_page(page, server)
    rows = page.get_by_role("list", name="Needs a look").get_by_role("link")
    expect(rows.first).to_contain_text("CRITICAL")
    expect(page.get_by_role("banner")).to_contain_text("CRITICAL")
    for scheme, surface in (("light", 1.0), ("dark", 0.12)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate("document.documentElement.style.filter = 'grayscale(1)'")
        contrast = [abs(lightness(rows.nth(index).screenshot()) - surface) for index in range(4)]
        assert contrast[0] > 0.4, scheme
        assert max(contrast[1:]) < 0.2, scheme
    for alert_id in others:
        seeding.change(server.home, "DELETE FROM alerts WHERE id = ?", alert_id)


def lightness(picture: bytes) -> float:
    """Return the mean of a picture's grey values, 0 to 1; they are equal in the three channels."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), dtype=float) / 255
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() < 0.02
    return float(pixels.mean())


def test_twenty_thousand_jobs_scroll_with_some_tens_of_rows_in_the_document(
    page: Page, server: Server, job: str
) -> None:
    seeding.copy_job(
        server.home,
        job,
        (seeding.ended("cancelled", "cancelled_by_user", ago_s=200_000 - index) for index in range(ROWS)),
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/jobs?" in request.url else None)
    open_page(page, server, "/jobs")
    grid = page.get_by_role("grid", name="Jobs")
    expect(grid).to_have_attribute("aria-rowcount", re.compile(r"^2\d{4}$"))
    asked.clear()

    grid.focus()
    for turn in range(1, 6):
        page.keyboard.press("End")
        expect(grid.locator(f"[aria-rowindex='{200 * turn + 2}']")).to_be_attached()
        assert grid.get_by_role("row").count() < IN_SIGHT
    listed = [url for url in asked if "after=" in url]

    assert len(listed) <= 6  # one for each 200 rows
    assert len(set(listed)) == len(listed)
