"""Submission in the page: what is wrong is named at its field, nothing that was typed is lost, and once is once."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browsing import Words, enter, find_faults_in_both
from tests.e2e.test_login import end_sessions
from tests.support.server import Server

REFUSED = r"status of 4\d\d"  # how Chromium reports an answer that a test provokes


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    """The server's API, as the administrator who also looks at the page."""
    headers = {"Authorization": f"Bearer {server.log_in()}"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60.0) as client:
        yield client


@pytest.fixture
def tab(page: Page) -> Page:
    """The page of a test, as the tests of this file call it; `enter` logs in."""
    return page


def field(tab: Page, name: str):
    return tab.get_by_label(name, exact=True)


def test_a_rod_is_submitted_from_the_form_with_what_was_typed(tab: Page, api: httpx.Client) -> None:
    enter(tab, api, "/jobs/new?sim=heat-rod")
    field(tab, "Length").fill("50 cm")
    expect(tab.get_by_text("= 0.5 m")).to_be_visible()
    field(tab, "Diffusivity").fill("1e-3")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("One job, about")

    tab.get_by_role("button", name="Submit").click()

    expect(tab).to_have_url(re.compile(r"/jobs/[0-9a-f]{8}-"))
    job = api.get(f"/jobs/{tab.url.rpartition('/')[2]}").json()
    assert (job["params"]["length"], job["params"]["diffusivity"]) == (0.5, 0.001)


def test_a_wrong_value_is_named_at_its_field_and_kept_over_an_update_of_the_server(
    tab: Page, api: httpx.Client
) -> None:
    """A page of another version than the server's says so, and is reloaded only when that is asked for."""
    before = api.get("/jobs", params={"limit": 1}).json()["total"]
    enter(tab, api, "/jobs/new?sim=heat-rod")
    expect(tab.get_by_text("Length of the rod: 1e-6 to 1e6, default 1")).to_be_visible()
    field(tab, "Nodes").fill("3.5")
    field(tab, "Length").fill("1,5")

    tab.get_by_role("button", name="Submit").click()

    expect(field(tab, "Length")).to_be_focused()
    expect(tab.get_by_text("Write a point instead of the comma: 1.5").first).to_be_visible()
    expect(tab.get_by_text("This must be a whole number.")).to_be_visible()
    expect(tab.get_by_role("status").filter(has_text="2 fields are wrong")).to_be_visible()
    health = {**httpx.get(str(api.base_url.join("/health"))).json(), "version": "99.0"}
    tab.route("**/health", lambda route: route.fulfill(json=health))
    update = tab.get_by_role("button", name="Grid was updated: reload")
    expect(update).to_be_visible(timeout=20_000)
    tab.unroute("**/health")
    update.click()
    expect(update).to_be_hidden()
    expect(field(tab, "Length")).to_have_value("1,5")
    assert api.get("/jobs", params={"limit": 1}).json()["total"] == before


def test_what_only_the_server_can_refuse_stands_at_its_field(tab: Page, api: httpx.Client) -> None:
    """The grammar of expressions is the server's; the page shows its refusal before anything is sent."""
    enter(tab, api, "/jobs/new?sim=heat")
    field(tab, "Temperature at the start").fill("20 + nonsense(x)")

    expect(tab.get_by_role("heading", level=1)).to_contain_text("The server would refuse this")
    expect(field(tab, "Temperature at the start")).to_have_attribute("aria-invalid", "true")
    expect(field(tab, "Temperature at the start")).to_have_value("20 + nonsense(x)")


def test_nothing_is_lost_over_a_login(tab: Page, server: Server, api: httpx.Client, words: Words) -> None:
    words.expect(REFUSED)
    credential = json.loads((server.home / "secrets" / "admin.json").read_text())
    enter(tab, api, "/jobs/new?sim=heat-rod")
    field(tab, "Length").fill("7e-1")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("One job, about")
    end_sessions(tab, server)

    tab.get_by_role("button", name="Submit").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("Password", exact=True).fill(credential["password"])
    dialog.get_by_role("button", name="Log in").click()

    expect(tab).to_have_url(re.compile(r"/jobs/[0-9a-f]{8}-"), timeout=20_000)
    assert api.get(f"/jobs/{tab.url.rpartition('/')[2]}").json()["params"]["length"] == 0.7


def test_form_json_and_commands_are_one_state(tab: Page, api: httpx.Client) -> None:
    enter(tab, api, "/jobs/new?sim=heat-rod")
    field(tab, "Length").fill("2")
    tab.get_by_role("tab", name="JSON").click()
    editor = tab.get_by_label("Submission as JSON")
    document = json.loads(editor.input_value())
    assert document["params"]["length"] == 2
    document["params"]["diffusivity"] = 0.25
    editor.fill(json.dumps(document))

    tab.get_by_role("tab", name="CLI").click()
    expect(tab.locator("pre")).to_contain_text("--param diffusivity=0.25")
    tab.get_by_role("tab", name="Form").click()
    expect(field(tab, "Diffusivity")).to_have_value("0.25")


def test_refused_points_of_a_sweep_are_named_and_left_out(tab: Page, api: httpx.Client) -> None:
    enter(tab, api, "/jobs/new?sim=heat-rod")
    tab.get_by_role("button", name="Vary Length").click()
    field(tab, "Length: how it is varied").select_option("list")
    field(tab, "Length: values").fill("1; 2; 5e6")
    heading = tab.get_by_role("heading", level=1)
    expect(heading).to_contain_text("3 = 3 points, one is refused")
    expect(tab.get_by_text("length: Must be at most 1e6 m.")).to_be_visible()

    tab.get_by_role("button", name="Leave it out").click()
    expect(heading).to_contain_text("2 points, about")
    tab.get_by_role("button", name="Submit").click()

    expect(tab).to_have_url(re.compile(r"/sweeps/[0-9a-f]{8}-"))
    columns = api.get(f"/sweeps/{tab.url.rpartition('/')[2]}/columns").json()["columns"]
    assert next(column["values"] for column in columns if column["name"] == "params.length") == [1, 2]


def test_the_form_has_no_serious_fault(tab: Page, api: httpx.Client, axe: None) -> None:
    enter(tab, api, "/jobs/new?sim=heat")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("One job, about")
    faults = find_faults_in_both(tab)
    tab.goto("/jobs/new?sim=heat-rod")
    tab.get_by_role("button", name="Vary Length").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("4 points")

    assert [*faults, *find_faults_in_both(tab)] == []
