"""The system's page, users, one's own account, and saved views."""

import re

import httpx
from playwright.sync_api import Page, expect
from tests.e2e.browsing import Words, open_page
from tests.e2e.seeding import log_in_headers
from tests.support.server import Server

PASSWORD = "a long password"


def test_the_system_says_which_part_is_ill_and_the_audit_log_is_filtered_in_the_address(
    page: Page, server: Server
) -> None:
    open_page(page, server, "/system")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^(All parts are ready|Not ready: worker)"))

    page.get_by_role("tab", name="Audit log").click()
    log = page.get_by_role("grid", name="Audit log")
    expect(log).to_contain_text("link.make")
    page.get_by_label("Did").fill("link")
    page.get_by_role("button", name="Filter").click()

    expect(page).to_have_url(re.compile(r"tab=audit&action=link$"))
    expect(log).not_to_contain_text("user.create")
    page.reload()
    expect(page.get_by_label("Did")).to_have_value("link")


def test_a_user_is_made_and_shut_out(page: Page, server: Server) -> None:
    open_page(page, server, "/users")
    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name").fill("vera")
    dialog.get_by_label("First password").fill(PASSWORD)
    dialog.get_by_role("button", name="Make the user").click()

    row = page.get_by_role("row", name=re.compile("vera"))
    expect(row).to_contain_text("open")
    assert httpx.post(f"{server.url}/api/v1/auth/login", json={"username": "vera", "password": PASSWORD}).is_success
    row.get_by_role("button", name="Shut out").click()
    page.get_by_role("dialog").get_by_role("button", name="Shut out").click()

    expect(row).to_contain_text("shut")
    assert httpx.post(
        f"{server.url}/api/v1/auth/login", json={"username": "vera", "password": PASSWORD}
    ).is_client_error


def test_a_password_that_is_too_short_is_refused_by_name_and_nothing_typed_is_lost(
    page: Page, server: Server, words: Words
) -> None:
    words.expect("status of 422")
    open_page(page, server, "/users")
    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name").fill("short")
    dialog.get_by_label("First password").fill("short")
    dialog.get_by_role("button", name="Make the user").click()

    password = dialog.get_by_label("First password")
    expect(password).to_be_focused()
    expect(password).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_text(re.compile("at least 12"))).to_be_visible()
    expect(dialog.get_by_role("alert")).to_be_hidden()  # all that is wrong stands at the field
    expect(dialog.get_by_label("User name")).to_have_value("short")


def test_a_session_elsewhere_is_ended_from_the_account(page: Page, server: Server) -> None:
    for session in httpx.get(f"{server.url}/api/v1/users/me/sessions", headers=log_in_headers(server)).json()["items"]:
        if not session["is_current"]:
            httpx.delete(f"{server.url}/api/v1/users/me/sessions/{session['id']}", headers=log_in_headers(server))
    open_page(page, server, "/me")
    rows = page.get_by_role("table", name="Sessions").get_by_role("row")
    expect(page.get_by_text("this one")).to_be_visible()
    before = rows.count()

    page.get_by_role("button", name="End").first.click()

    expect(rows).to_have_count(before - 1)
    expect(page.get_by_text("this one")).to_be_visible()


def test_a_view_is_saved_under_a_name_opened_again_and_removed(page: Page, server: Server) -> None:
    """Of every list: its name is text, its address what was seen."""
    open_page(page, server, "/jobs?status=failed,timed_out")
    save_view(page, "<b>bad ones</b>")
    page.goto("/system?tab=audit&action=user")
    save_view(page, "who came")
    page.goto("/alerts?severity=high,critical")
    save_view(page, "bad alerts")

    page.goto("/jobs")
    page.get_by_role("button", name="Views").click()
    expect(page.get_by_role("menuitem", name="who came")).to_be_hidden()
    page.get_by_role("menuitem", name="<b>bad ones</b>").click()
    expect(page).to_have_url(re.compile(r"/jobs\?status=failed,timed_out$"))

    page.goto("/me")
    views = page.get_by_role("table", name="Saved views")
    views.get_by_role("link", name="who came").click()
    expect(page).to_have_url(re.compile(r"/system\?tab=audit&action=user$"))
    page.go_back()
    views.get_by_role("link", name="bad alerts").click()
    expect(page).to_have_url(re.compile(r"/alerts\?severity=high,critical$"))
    page.go_back()
    for row in ("bad ones", "Audit log", "Alerts"):
        views.get_by_role("row", name=re.compile(row)).get_by_role("button", name="Remove").click()
        expect(views.get_by_role("row", name=re.compile(row))).to_be_hidden()
    expect(page.get_by_text("None yet.")).to_be_visible()


def save_view(page: Page, name: str) -> None:
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view").click()
    page.get_by_role("dialog").get_by_label("Name").fill(name)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
