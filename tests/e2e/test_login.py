"""Logging in, staying logged in and logging out, over the tabs of one browser."""

import json

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from tests.e2e.browsing import Words
from tests.support.server import Server

REFUSED = "status of 401"  # how Chromium reports one that a test provokes


@pytest.fixture
def credential(server: Server) -> tuple[str, str]:
    """Name and password of the administrator that the server made."""
    document = json.loads((server.home / "secrets" / "admin.json").read_text())
    return document["username"], document["password"]


@pytest.fixture
def link(server: Server) -> str:
    """An address that logs one browser in, once."""
    answer = httpx.post(f"{server.url}/api/v1/auth/link", headers={"Authorization": f"Bearer {server.log_in()}"})
    answer.raise_for_status()
    return str(answer.json()["path"])


def log_in(page: Page, credential: tuple[str, str]) -> None:
    page.get_by_label("User name").fill(credential[0])
    page.get_by_label("Password", exact=True).fill(credential[1])
    page.get_by_role("button", name="Log in").click()


def is_in(page: Page) -> None:
    """Wait until the page of somebody who is logged in stands."""
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def test_a_link_logs_in_once_and_leaves_no_code_behind(page: Page, browser: Browser, server: Server, link: str) -> None:
    page.goto(link)
    is_in(page)
    assert "code" not in page.url

    with browser.new_context(base_url=server.url) as elsewhere:  # whoever finds the link later
        other = elsewhere.new_page()
        other.goto(link)
        expect(other.get_by_role("alert")).to_be_visible()
        expect(other.get_by_role("button", name="Log in")).to_be_visible()
        assert "code" not in other.url


def test_the_token_is_nowhere_that_a_script_could_read_it_later(page: Page, link: str) -> None:
    page.goto(link)
    is_in(page)

    stored = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    assert "eyJ" not in stored
    assert "grid_refresh" not in stored
    assert "grid_csrf_" in stored


def test_a_reload_and_a_second_tab_stay_logged_in_and_a_logout_ends_both(
    page: Page, context: BrowserContext, link: str
) -> None:
    page.goto(link)
    is_in(page)
    page.reload()
    is_in(page)
    second = context.new_page()
    second.goto("/jobs")
    is_in(second)

    second.get_by_role("button", name="admin").click()
    second.get_by_role("menuitem", name="Log out").click()

    for tab in (page, second):
        expect(tab.get_by_role("button", name="Log in")).to_be_visible()
    page.goto("/jobs")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_name_and_a_password_lead_to_the_address_that_was_asked_for(
    page: Page, credential: tuple[str, str], words: Words
) -> None:
    words.expect(REFUSED)
    page.goto("/jobs?status=failed")
    log_in(page, (credential[0], "not the password"))
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("User name").input_value() == credential[0]

    log_in(page, credential)

    is_in(page)
    assert page.url.endswith("/jobs?status=failed")


def test_a_session_that_ended_elsewhere_is_taken_up_over_the_page(
    page: Page, server: Server, credential: tuple[str, str], link: str, words: Words
) -> None:
    """The dialog opens over what is there; what waited goes on by itself."""
    words.expect(REFUSED)
    page.goto(link)
    is_in(page)
    end_sessions(page, server)

    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=20_000)
    dialog.get_by_label("Password", exact=True).fill(credential[1])
    dialog.get_by_role("button", name="Log in").click()

    expect(dialog).to_be_hidden()
    is_in(page)
    expect(page.get_by_text("connected", exact=True)).to_be_visible()


def test_two_tabs_whose_token_has_expired_ask_for_one_new_one(
    page: Page, context: BrowserContext, link: str, words: Words
) -> None:
    """Both are refused while the first refresh is on its way; the second tab takes what the first gets."""
    words.expect(REFUSED)
    page.goto(link)
    is_in(page)
    second = context.new_page()
    second.goto("/system")
    is_in(second)
    expired: set[str] = set()
    refused: list[Route] = []
    refreshes: list[Route] = []

    def refuse_old(route: Route) -> None:
        token = route.request.headers.get("authorization", "")
        if not is_renewed:
            expired.add(token)
        if token in expired:
            refused.append(route)
            route.fulfill(status=401, json={"title": "The token has expired", "status": 401})
        else:
            route.continue_()

    is_renewed = False
    context.route("**/api/v1/**", refuse_old)
    context.route("**/api/v1/auth/web/refresh", lambda route: refreshes.append(route))  # noqa: PLW0108 it is inspected
    for tab in (page, second):
        tab.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").click()
    for _ in range(100):
        if len({route.request.frame.page for route in refused}) == 2 and refreshes:
            break
        page.wait_for_timeout(50)
    is_renewed = True
    refreshes[0].continue_()

    for tab in (page, second):
        expect(tab.get_by_text("There is no job yet.")).to_be_visible()
    assert len(refreshes) == 1


def end_sessions(page: Page, server: Server) -> None:
    """End the page's session as a logout elsewhere does: by its own cookies, without telling the page."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    csrf = next(value for name, value in cookies.items() if name.startswith("grid_csrf_"))
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    answer = httpx.post(
        f"{server.url}/api/v1/auth/web/logout",
        headers={"Origin": server.url, "Cookie": header, "X-CSRF-Token": csrf, "Content-Type": "application/json"},
        content=b"{}",
    )
    answer.raise_for_status()


def test_keys_go_to_pages_and_are_listed(page: Page, link: str) -> None:
    page.goto(link)
    is_in(page)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog.get_by_text("This list")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    page.goto("/nothing/here")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here, or it is not yours.")
    page.keyboard.press("g")
    page.keyboard.press("j")

    expect(page).to_have_title("Jobs · Grid")


def test_colours_are_chosen_and_kept(page: Page, link: str) -> None:
    page.goto(link)
    is_in(page)
    page.get_by_role("button", name="admin").click()
    page.get_by_role("menuitemradio", name="Dark").click()
    page.reload()
    is_in(page)

    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
