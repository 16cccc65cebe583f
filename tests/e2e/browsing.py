"""Helpers of tests in a browser: what it says, and what axe-core finds."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect
from tests.support.server import Server

ROOT = Path(__file__).parents[2]
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SERIOUS = {"serious", "critical"}
COLOUR_RULES = ("color-contrast", "link-in-text-block")  # what depends on the colours of a page

# Said on the console, where it outlives a navigation.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const place = `${event.sourceFile}:${event.lineNumber}`;
  console.error(`policy violation: ${event.effectiveDirective} ${event.blockedURI} ${place}`);
});
"""


@dataclass
class Words:
    """All that the pages of one context said: console messages, errors nobody caught, violations of the policy."""

    said: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        """Hear every page that the context opens."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.said.append(f"error: {error.error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type != "debug":
            self.said.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def expect(self, pattern: str) -> None:
        """Let messages pass that match, in a test that provokes them: browsers report each answer above 399."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        """Return what no test has expected."""
        return [text for text in self.said if not any(re.search(pattern, text) for pattern in self.expected)]


def find_faults(page: Page, *rules: str) -> list[str]:
    """Return what axe-core calls serious or critical on the page, with the first element of each.

    The source runs by the debugger's evaluation, which the page's policy does not forbid.

    Args:
        page: As it is now.
        rules: Of axe-core, those alone; without any, all of WCAG 2.2 AA.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": AXE_TAGS}
    found = page.evaluate(f"() => axe.run(document, {json.dumps({'runOnly': only, 'resultTypes': ['violations']})})")
    return [
        f"{fault['id']} ({fault['impact']}): {fault['help']}: {fault['nodes'][0]['html'][:160]}"
        for fault in found["violations"]
        if fault["impact"] in SERIOUS
    ]


def find_faults_in_both(page: Page) -> list[str]:
    """Return what is wrong with a page in light colours, and what of it is in dark ones, which change colours alone."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    faults = find_faults(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    return [*faults, *(f"dark: {fault}" for fault in find_faults(page, *COLOUR_RULES))]


def make_link(server: Server, path: str = "/") -> str:
    """Return an address that logs one browser in as the administrator, once, and leads to a page."""
    answer = httpx.post(f"{server.url}/api/v1/auth/link", headers={"Authorization": f"Bearer {server.log_in()}"})
    answer.raise_for_status()
    return lead_to(str(answer.json()["path"]), path)


def lead_to(link: str, path: str) -> str:
    """Let a login link lead to a page, as the login does for whoever is sent there: one document is loaded, not two."""
    place, _, code = link.partition("#")
    return f"{place}?to={quote(path, safe='')}#{code}" if path != "/" else link


def enter(page: Page, api: httpx.Client, path: str) -> None:
    """Log in as the user of a client, and go to a page."""
    page.goto(lead_to(str(api.post("/auth/link").json()["path"]), path))
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def open_page(page: Page, server: Server, path: str = "/") -> None:
    """Log in and go to a page."""
    page.goto(make_link(server, path))
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    if path != "/":
        expect(page.get_by_role("heading", level=1)).to_be_visible()
