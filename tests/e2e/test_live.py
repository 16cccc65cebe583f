"""A live run on the page: started from a scenario, watched, steered by drag, looked at in the past, and taken up."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.e2e.browsing import Words, enter, find_faults_in_both
from tests.e2e.conftest import SIZE
from tests.support.leaving_out import leave_out
from tests.support.server import START_S, Server, environment, free_port

from grid.api.page_files import SHIPPED, STAMP

COMPILED_MS = 120_000  # the first run of a machine compiles its kernels before its first tick
EFFECT_MS = 30_000
ENDED = {"stopped", "failed"}
COMMANDS = {"server": ("grid.api",), "worker": ("grid.cli.main", "worker")}
AWAY = (
    r"Failed to load resource|WebSocket connection|ERR_CONNECTION_REFUSED"  # how Chromium reports a server that is away
)


class LiveService:
    """A server and a worker on one data folder; the server can be ended and started again at its place."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.variables = environment(home, self.port)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str) -> None:
        """Start the server or the worker; of the server wait until it answers."""
        log = (self.home.parent / f"{role}.log").open("ab")
        with log:
            self.processes[role] = subprocess.Popen(
                [sys.executable, "-m", *COMMANDS[role]],
                env=self.variables,
                cwd=self.home.parent,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_S
        while role == "server" and not self.is_answering() and time.monotonic() < deadline:
            time.sleep(0.05)

    def is_answering(self) -> bool:
        """Tell whether the server answers."""
        try:
            return httpx.get(f"{self.url}/live").is_success
        except httpx.TransportError:
            return False

    def stop(self, role: str) -> None:
        """End one in order."""
        process = self.processes.pop(role)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def server(self) -> Server:
        """The server as other fixtures know it."""
        return Server(self.processes["server"], self.url, self.home, self.home.parent / "server.log")

    @cached_property
    def api(self) -> httpx.Client:
        """The API as the administrator, who logs in once: that takes longer than most questions."""
        headers = {"Authorization": f"Bearer {self.server.log_in()}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    def ask(self, method: str, path: str, **content: object) -> httpx.Response:
        """Ask the API; its answer must be good."""
        answer = self.api.request(method, path, **content)  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A server with a worker."""
    if not (SHIPPED / STAMP).exists():
        leave_out("the page is not built: make page")
    service = LiveService(tmp_path_factory.mktemp("live") / "home")
    service.home.parent.mkdir(parents=True, exist_ok=True)
    service.start("server")
    service.start("worker")
    yield service
    service.api.close()
    for role in list(service.processes):
        service.stop(role)


@pytest.fixture
def context(browser: Browser, live: LiveService, words: Words) -> Iterator[BrowserContext]:
    """A browser profile of the test's own, at the service with a worker."""
    opened = browser.new_context(base_url=live.url, viewport=SIZE, color_scheme="light", locale="en-GB")
    opened.set_default_timeout(15_000)
    words.listen(opened)
    yield opened
    opened.close()


def start_run(live: LiveService, scenario: str, cells: list[int], name: str) -> str:
    """Start a run and return its id."""
    body = {"scenario": scenario, "cells": cells, "name": name}
    return str(live.ask("POST", "/engine/runs", json=body).json()["id"])


@pytest.fixture
def run(live: LiveService) -> Iterator[str]:
    """A run of the scenario `burst` on a small plate, ended after the test."""
    yield start_run(live, "burst", [32, 32], "plate")
    stop_all(live)


def stop_all(live: LiveService) -> None:
    """End all runs and wait for it: a user has few places."""
    for item in live.ask("GET", "/engine/runs").json()["items"]:
        if item["status"] not in ENDED and item["wanted"] != "stop":
            live.ask("POST", f"/engine/runs/{item['id']}/stop")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if all(item["status"] in ENDED for item in live.ask("GET", "/engine/runs").json()["items"]):
            return
        time.sleep(0.2)


def field_of(page: Page) -> Locator:
    """Return the picture of the run once it is drawn."""
    field = page.get_by_role("application").first
    expect(field).to_be_visible(timeout=COMPILED_MS)
    return field


def drawn_tick(page: Page) -> int:
    """Return the tick of the picture that is drawn."""
    return int(page.locator("canvas[data-tick]").first.get_attribute("data-tick") or -1)


def drag(page: Page, field: Locator, *, at: tuple[float, float], radius: float) -> None:
    """Draw a burst: its centre as a share of the picture, its radius in pixels."""
    box = field.bounding_box()
    assert box is not None
    x, y = box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + radius / 2, y)
    page.mouse.move(x + radius, y)
    page.mouse.up()


def test_a_scenario_is_started_watched_and_steered(page: Page, live: LiveService) -> None:
    """The whole story: the picture moves, a burst by drag takes effect, switch and alert appear and are answered."""
    enter(page, live.api, "/scenarios?name=burst")
    page.get_by_label("Cells").fill("32x")
    expect(page.get_by_text("Write whole numbers")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    page.get_by_label("Cells").fill("32x32")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
    run = page.url.rpartition("/")[2]

    field = field_of(page)
    expect(page.get_by_text("PAST")).to_have_count(0)
    expect(page.get_by_label("Kind of event")).to_be_visible()  # what injects is loaded behind the field
    drag(page, field, at=(0.25, 0.25), radius=24)
    expect(page.get_by_text("Enter sends it")).to_be_visible()
    before, seen = drawn_tick(page), field.screenshot()
    field.press("Enter")
    expect(page.get_by_text(re.compile(r"applied at tick \d+")).first).to_be_visible(timeout=EFFECT_MS)
    commands = live.ask("GET", f"/engine/runs/{run}/commands").json()["items"]
    sent = next(item for item in commands if item["kind"] == "event" and not item["client_id"].startswith("scenario:"))
    assert sent["outcome"] == "applied"
    assert sent["payload"]["position_m"] == pytest.approx([0.25, 0.75], abs=0.05)  # to the right is y, up is z

    alerts = page.get_by_role("list").filter(has=page.get_by_role("button", name="Acknowledge")).first
    expect(alerts).to_be_visible(timeout=EFFECT_MS)
    expect(page.get_by_role("button", name=re.compile(r"tick \d+: model diffusive"))).to_be_visible()
    assert drawn_tick(page) > before
    assert field.screenshot() != seen

    page.get_by_role("button", name="Acknowledge").first.click()
    expect(page.get_by_text(re.compile("is acknowledged"))).to_be_visible()
    page.get_by_role("button", name="Silence…").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Silence").click()
    expect(dialog.get_by_text("Say why")).to_be_visible()
    dialog.get_by_label("Reason").fill("<img src=x onerror=alert(1)>")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_text(re.compile(r"1 alert silenced"))).to_be_visible(timeout=EFFECT_MS)
    stop_all(live)
    page.goto("/alerts?tab=silences")
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()


def test_the_past_is_not_live_and_a_branch_stands_beside_its_trunk(page: Page, live: LiveService, run: str) -> None:
    enter(page, live.api, f"/runs/{run}")
    field_of(page)
    expect(page.get_by_role("button", name=re.compile(r"tick \d+: model diffusive"))).to_be_visible(timeout=EFFECT_MS)

    deadline = time.monotonic() + START_S
    while drawn_tick(page) < 80 and time.monotonic() < deadline:  # the tick of a run is stored once a second
        page.wait_for_timeout(200)
    page.get_by_role("button", name=re.compile(r"tick \d+: model diffusive")).click()
    expect(page.get_by_text("PAST", exact=True)).to_be_visible()
    expect(field_of(page)).to_have_attribute("data-past", "true")
    assert drawn_tick(page) == 40
    expect(page.get_by_role("button", name="Pause")).to_be_disabled()
    expect(page.get_by_text("You look at the past").first).to_be_visible()

    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Branch at tick 40").click()
    expect(page.get_by_text(re.compile(r"plate branch \((starting|running|queued)\)"))).to_be_visible(timeout=EFFECT_MS)
    expect(page.get_by_text("PAST", exact=True)).to_have_count(0)
    expect(page.get_by_role("application")).to_have_count(2, timeout=EFFECT_MS)


EVENTS = {
    "burst": {},
    "overload": {"Region": "disc"},
    "flow": {},
    "boundary": {"Law": "convection"},
    "cooling-loss": {},
    "damage": {"Region": "box"},
}


def test_every_kind_of_event_is_sent_by_its_form_and_a_refusal_is_told_at_its_field(
    page: Page, live: LiveService, words: Words
) -> None:
    run = start_run(live, "overload", [32, 8], "deck")
    enter(page, live.api, f"/runs/{run}")
    field_of(page)

    for kind, choices in EVENTS.items():
        page.get_by_label("Kind of event").select_option(kind)
        for label, choice in choices.items():
            page.get_by_label(label, exact=True).select_option(choice)
        page.get_by_role("button", name="Send", exact=True).click()
        sent = page.get_by_role("list", name="Sent events").get_by_role("listitem").first
        expect(sent).to_contain_text(re.compile(rf"{kind}: applied at tick \d+"), timeout=EFFECT_MS)
    commands = live.ask("GET", f"/engine/runs/{run}/commands").json()["items"]
    own = [one for one in commands if not one["client_id"].startswith("scenario:") and one["kind"] == "event"]
    assert [(one["payload"]["kind"], one["outcome"]) for one in own] == [(kind, "applied") for kind in EVENTS]

    words.expect("status of 422")
    page.get_by_label("Kind of event").select_option("burst")
    radius = page.get_by_label("Radius")
    radius.fill("0")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Must be at least 1e-9 m.").first).to_be_visible()
    expect(radius).to_be_focused()
    radius.fill("5 cm")
    expect(page.get_by_text("= 0.05")).to_be_visible()
    centre = page.locator('[data-path="position_m[0]"]')
    centre.fill("50")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(centre).to_be_focused()  # the server has refused a place outside of the body
    expect(radius).to_have_value("5 cm")
    stop_all(live)


def test_a_rod_has_its_past_beneath_it_and_a_body_its_three_planes(page: Page, live: LiveService) -> None:
    rod, body = start_run(live, "overload", [96], "rod"), start_run(live, "overload", [10, 12, 14], "block")
    enter(page, live.api, f"/runs/{rod}")
    field_of(page)
    course = page.get_by_role("img", name=re.compile("^Place over time"))
    expect(course).to_be_visible()
    expect(page.get_by_role("slider", name="Time that is shown")).not_to_have_attribute("max", re.compile(r"^\d$"))
    course.click(position={"x": 60, "y": 20})
    expect(page.get_by_text("PAST", exact=True)).to_be_visible()
    expect(field_of(page)).to_have_attribute("data-past", "true")

    page.goto(f"/runs/{body}")
    expect(page.get_by_role("application")).to_have_count(3, timeout=COMPILED_MS)
    expect(page.get_by_text("The volume needs a graphics processor")).to_be_visible()  # it is drawn in software here
    page.get_by_role("slider", name="Plane normal to z").fill("2")
    expect(page).to_have_url(re.compile(r"[?&]z=2"))
    with page.expect_download() as table:
        page.get_by_role("button", name="Save").click()
        page.get_by_role("menuitem", name="All values (CSV)").click()
    lines = table.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 10 * 12 * 14
    assert lines[0].startswith("x [m],y [m],z [m],Temperature")
    stop_all(live)


BOOK = """---
title: Too hot
steps:
  - title: Is it hot?
    check: {metric: highest, op: ">", value: -1000}
  - title: Slow down
    do: {kind: speed, payload: {speed: 0.5}}
  - say: Tell the operator.
---
Words for people.
"""


def test_a_runbook_is_worked_through_and_the_incident_exported(page: Page, live: LiveService, run: str) -> None:
    book = live.home / "runbooks" / "too-hot.md"
    book.parent.mkdir(exist_ok=True)
    book.write_text(BOOK, encoding="utf-8")
    enter(page, live.api, f"/runs/{run}")
    field_of(page)
    opened = {"run": run, "title": "too hot", "severity": "high", "runbook": "too-hot"}
    incident = live.ask("POST", "/incidents", json=opened).json()["id"]

    page.goto(f"/incidents/{incident}")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text(re.compile("found .*, passed"))).to_be_visible()
    page.get_by_role("button", name="Do…").click()
    page.get_by_role("button", name="Send the command").click()
    expect(page.get_by_text(re.compile(r"sent as #\d+"))).to_be_visible()
    page.get_by_role("button", name="Said").click()
    expect(page.get_by_text("✓ 3. Tell the operator.")).to_be_visible()
    assert live.ask("GET", f"/engine/runs/{run}").json()["speed"] == 0.5

    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("none was changed")).to_be_visible()
    with page.expect_download() as written:
        page.get_by_role("button", name="Export Markdown").click()
    assert written.value.url.startswith(f"{live.url}/api/v1/downloads/")  # by the browser, not through the page
    assert "Tell the operator." in written.value.path().read_text(encoding="utf-8")


def test_a_page_comes_back_by_itself_after_a_restart_of_the_server(
    page: Page, live: LiveService, run: str, words: Words
) -> None:
    words.expect(AWAY)
    enter(page, live.api, f"/runs/{run}")
    field_of(page)
    before = drawn_tick(page)

    live.stop("server")
    expect(page.get_by_text(re.compile("STALE.*not connected|STALE.*connecting")).first).to_be_visible(
        timeout=EFFECT_MS
    )
    live.start("server")

    expect(page.get_by_text(re.compile(r"\d\sm?s old"))).to_be_visible(timeout=EFFECT_MS)
    expect(page.locator("canvas[data-tick]").first).not_to_have_attribute("data-tick", str(before))
    assert drawn_tick(page) > before


def test_a_run_of_somebody_else_is_nothing(page: Page, live: LiveService, words: Words) -> None:
    words.expect("status of 404")
    enter(page, live.api, "/runs/01980000-0000-7000-8000-000000000001")

    expect(page.get_by_text("There is nothing here, or it is not yours.")).to_be_visible()


def test_no_page_with_a_live_run_has_a_serious_fault(page: Page, live: LiveService, run: str, axe: None) -> None:
    enter(page, live.api, f"/runs/{run}")
    field_of(page)
    faults = {"run": find_faults_in_both(page)}
    for path in ("/runs", "/scenarios?name=burst"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        faults[path] = find_faults_in_both(page)

    assert {path: found for path, found in faults.items() if found} == {}
