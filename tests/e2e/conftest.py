"""A real server with the built page, and Debian's Chromium to look at it. Any message of a page fails the test."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.e2e.browsing import AXE, Words
from tests.support.leaving_out import leave_out
from tests.support.server import Server, serve

from grid.api.page_files import SHIPPED, STAMP

SIZE = {"width": 1280, "height": 720}
# Without a GPU, Chromium has WebGL only where it is asked to draw in software.
FLAGS = ["--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--disable-background-networking"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine's own Chromium, kept from taking a better priority than the server under test."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        leave_out("there is no Chromium on this machine")
    setpriv = shutil.which("setpriv")
    if os.geteuid() or setpriv is None:
        return Path(str(found))
    wrapper = tmp_path_factory.mktemp("browser") / "chromium"
    nice = "--bounding-set=-sys_nice --inh-caps=-sys_nice"
    wrapper.write_text(f'#!/bin/sh\nexec {setpriv} {nice} {found} "$@"\n', encoding="utf-8")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper


@pytest.fixture(scope="package")
def browser(chromium: Path) -> Iterator[Browser]:
    """One browser for all tests of the folder, closed before others run, which want event loops of their own."""
    flags = [*FLAGS, *(() if os.geteuid() else ("--no-sandbox",))]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the file's own on a free port, on SQLite, with nothing in it but its administrator."""
    if not (SHIPPED / STAMP).exists():
        leave_out("the page is not built: make page")
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    with serve(tmp_path_factory.mktemp("e2e") / "home", **kept) as started:
        yield started


@pytest.fixture
def words() -> Iterator[Words]:
    """All that pages say; what a test has not expected fails it."""
    heard = Words()
    yield heard
    assert heard.unexpected() == []


@pytest.fixture
def context(browser: Browser, server: Server, words: Words) -> Iterator[BrowserContext]:
    """A browser profile of the test's own, in light colours."""
    opened = browser.new_context(base_url=server.url, viewport=SIZE, color_scheme="light", locale="en-GB")
    opened.set_default_timeout(15_000)
    words.listen(opened)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab in which nothing is open yet."""
    return context.new_page()


@pytest.fixture
def axe() -> None:
    """Make sure that axe-core is there."""
    if not AXE.exists():
        leave_out("axe-core is not installed: python3 scripts/page.py npm ci")
