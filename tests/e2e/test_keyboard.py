"""A day at the page without a mouse."""

import json
import re

from playwright.sync_api import Page, expect
from tests.e2e import seeding
from tests.e2e.browsing import open_page
from tests.support.server import Server


def test_keys_alone_log_in_find_a_job_and_log_out(page: Page, server: Server) -> None:
    job = seeding.submit(server, simulation="noop")[0]
    credential = json.loads((server.home / "secrets" / "admin.json").read_text())
    page.goto("/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type(credential["username"])
    page.keyboard.press("Tab")
    page.keyboard.type(credential["password"])
    page.keyboard.press("Enter")
    expect(page).to_have_title("Overview · Grid")

    press(page, "g", "j")
    expect(page).to_have_title("Jobs · Grid")
    tab_to(page, "[role=grid]")
    press(page, "j", "Enter")
    expect(page).to_have_url(re.compile(f"/jobs/{job}"))

    page.go_back()
    expect(page).to_have_title("Jobs · Grid")
    press(page, "g", "y")
    expect(page).to_have_title("System · Grid")
    tab_to(page, "header button[aria-haspopup=menu]")
    page.keyboard.press("Enter")
    last = page.get_by_role("menuitem", name="Log out")
    expect(last).to_be_visible()
    for _ in range(12):
        if last.evaluate("entry => entry === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("User name")).to_be_focused()


def test_keys_alone_submit_cancel_and_compare(page: Page, server: Server) -> None:
    open_page(page, server, "/jobs")
    press(page, "?")
    listed = page.get_by_role("dialog", name="Keyboard")
    for does in (
        "Jobs: next row",
        "Jobs: tick the row",
        "Compare the two ticked jobs",
        "Cancel the job of the row",
        "New job",
    ):
        expect(listed.get_by_text(does, exact=True)).to_be_visible()
    press(page, "Escape")
    expect(listed).to_be_hidden()

    for _ in range(2):
        press(page, "n")
        heading = page.get_by_role("heading", level=1)
        expect(heading).to_contain_text("One job")
        press(page, "Control+Enter")
        expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f]{8}-"))
        expect(heading).to_contain_text("It waits for a worker")
        job = page.url.rpartition("/")[2]
        press(page, "g", "j")
        expect(page).to_have_title("Jobs · Grid")
        # the list of before is shown until the new one is there
        expect(page.get_by_role("grid", name="Jobs").get_by_role("row").nth(1).get_by_role("link")).to_have_attribute(
            "href", f"/jobs/{job}"
        )

    press(page, "j", "C")
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    expect(dialog).to_be_visible()
    press(page, "Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("grid", name="Jobs").get_by_role("row").nth(1)).to_contain_text("cancelled")

    press(page, "x", "j", "x", "c")
    expect(page).to_have_title("Compare · Grid")
    expect(page.get_by_role("heading", level=1)).to_contain_text("No input differs")


def test_single_letters_can_be_switched_off(page: Page, server: Server) -> None:
    open_page(page, server, "/me")
    page.get_by_label("Single letters act").uncheck()
    page.get_by_role("heading", level=1).click()
    press(page, "g", "j")
    expect(page).to_have_title("Account · Grid")

    page.get_by_label("Single letters act").check()
    page.get_by_role("heading", level=1).click()
    press(page, "g", "j")
    expect(page).to_have_title("Jobs · Grid")


def test_the_focus_is_seen_wherever_tab_leads_and_is_never_under_the_strip(page: Page, server: Server) -> None:
    open_page(page, server)
    for path in ("/", "/jobs", "/system", "/users", "/me"):
        if path != "/":
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
        follow_focus(page, path)


def follow_focus(page: Page, path: str) -> None:
    """Press Tab twelve times, or to the last element, behind which the browser's own controls follow."""
    for _ in range(12):
        page.keyboard.press("Tab")
        seen = page.evaluate("""() => {
          const element = document.activeElement, style = getComputedStyle(element);
          const box = element.getBoundingClientRect();
          const isBody = element === document.body;
          const inContent = element.closest("main") !== null;
          const outline = parseFloat(style.outlineWidth);
          return { outline, shadow: style.outlineStyle, top: box.top, inContent, isBody };
        }""")
        if seen["isBody"]:
            return
        assert seen["outline"] >= 1, (path, seen)
        assert seen["shadow"] != "none", (path, seen)
        assert not seen["inContent"] or seen["top"] >= 40, (path, seen)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, selector: str, most: int = 40) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
            return
    raise AssertionError(f"{most} times Tab do not lead to {selector}")
