"""The page as it opens: under its policy, by link and by name; and every page of it, in both colour schemes."""

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect
from tests.e2e import seeding
from tests.e2e.browsing import Words, find_faults, find_faults_in_both, open_page
from tests.support.server import Server

from grid import __version__
from grid.api.page_files import FOREVER

ROUTES = (
    "/", "/jobs", "/jobs/{job}", "/jobs/new", "/sweeps", "/compare", "/runs", "/scenarios", "/alerts", "/incidents",
    "/rules", "/system", "/system?tab=audit", "/users", "/me", "/nothing/here",
)  # fmt: skip
SETTLE_MS = 600  # for what a page asks; it goes on asking, so that the network is never idle
SURFACES = {"light": "rgb(238, 240, 242)", "dark": "rgb(20, 23, 26)"}


def test_the_page_is_that_of_this_server(server: Server) -> None:
    assert httpx.get(f"{server.url}/health").json()["version"] == __version__


def test_the_first_view_is_the_login_and_every_file_of_it_is_kept_for_ever(page: Page, server: Server) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 Playwright marks what it calls
    page.goto("/")

    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page).to_have_title("Log in · Grid")
    assets = [answer for answer in answers if "/assets/" in answer.url]
    assert len(assets) >= 3
    for answer in assets:
        assert answer.header_value("cache-control") == FOREVER
        assert answer.header_value("content-encoding") in {"br", "gzip", None}
    assert {answer.url.split("/")[2] for answer in answers} == {server.url.split("/")[2]}


@pytest.mark.parametrize("path", ["/jobs?status=failed", "/no/such/view"])
def test_whoever_is_not_logged_in_comes_back_to_the_address_after_the_login(page: Page, path: str) -> None:
    page.goto(path)

    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert path.partition("?")[0].strip("/") in page.evaluate("decodeURIComponent(location.search)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_is_right_in_both_schemes_from_its_first_paint(page: Page, axe: None, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/login")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()

    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == scheme
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == SURFACES[scheme]
    assert find_faults(page) == []


def test_the_policy_refuses_what_is_not_of_this_server(page: Page, words: Words) -> None:
    """The fixture that fails on messages would see a violation: here one is made."""
    words.expect("policy violation: script-src")
    words.expect("Content Security Policy|Refused to")
    page.goto("/login")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()

    with page.expect_console_message(lambda message: "policy violation" in message.text):
        page.evaluate(
            "document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.bad = 1' }))"
        )

    assert page.evaluate("window.bad") is None
    assert any("policy violation: script-src" in text for text in words.said)


def test_each_document_has_a_nonce_of_its_own(context: BrowserContext) -> None:
    nonces = set()
    for _ in range(2):
        tab = context.new_page()
        tab.goto("/login")
        nonces.add(tab.evaluate("document.querySelector('meta[property=csp-nonce]').nonce"))

    assert len(nonces) == 2
    assert all(len(nonce) >= 20 for nonce in nonces)


def test_no_page_has_a_serious_fault_in_either_scheme(page: Page, server: Server, axe: None) -> None:
    job = seeding.submit(server, simulation="noop")[0]
    seeding.copy_job(server.home, job, [seeding.ended("failed", "diverged", ago_s=5)])
    alert = seeding.critical_alert(server.home)
    open_page(page, server)

    faults = {}
    for route in ROUTES:
        page.goto(route.format(job=job))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(SETTLE_MS)
        faults[route] = find_faults_in_both(page)
    seeding.change(server.home, "DELETE FROM alerts WHERE id = ?", alert)

    assert {route: found for route, found in faults.items() if found} == {}
