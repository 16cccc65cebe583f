"""Every page in both colour schemes, as axe-core sees it: nothing serious, nothing critical."""

import pytest
from playwright.sync_api import Page, expect
from tests.e2e import seeding
from tests.e2e.browsing import find_faults, open_page
from tests.support.server import Server

ROUTES = (
    "/", "/jobs", "/jobs/{job}", "/jobs/new", "/sweeps", "/compare", "/runs", "/scenarios", "/alerts", "/incidents",
    "/rules", "/system", "/system?tab=audit", "/users", "/me", "/nothing/here",
)  # fmt: skip
SETTLE_MS = 600  # for what a page asks; it goes on asking, so that the network is never idle


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault(page: Page, server: Server, axe: None, scheme: str) -> None:
    job = seeding.submit(server, simulation="noop")[0]
    seeding.copy_job(server.home, job, [seeding.ended("failed", "diverged", ago_s=5)])
    alert = seeding.critical_alert(server.home)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    open_page(page, server)

    faults = {}
    for route in ROUTES:
        page.goto(route.format(job=job))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(SETTLE_MS)
        faults[route] = find_faults(page)
    seeding.change(server.home, "DELETE FROM alerts WHERE id = ?", alert)

    assert {route: found for route, found in faults.items() if found} == {}
