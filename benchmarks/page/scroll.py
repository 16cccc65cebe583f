"""A list of 20,000 jobs: by the wheel, and by leaps to the end of what is loaded."""

from playwright.sync_api import expect
from tests.e2e import seeding
from tests.support.server import Server

from benchmarks.page.browsing import Bench, log_in, read_counters, tab
from benchmarks.page.figures import Figure
from benchmarks.page.tracing import find_longest, traced

JOBS = 20_000
TURNS, LEAP_EVERY = 120, 20  # of the wheel; and after how many of them the end of what is loaded is asked for
SETTLED_MS = 1_000


def fill(server: Server) -> None:
    """Put the jobs into the database."""
    form = seeding.submit(server, simulation="noop")[0]
    rows = (seeding.ended("cancelled", "cancelled_by_user", ago_s=JOBS - index) for index in range(JOBS))
    seeding.copy_job(server.home, form, rows)


def measure_scroll(bench: Bench, server: Server) -> list[Figure]:
    """Scroll, and take the longest task of the main thread."""
    fill(server)
    longest, used, busy, rows = [], [], [], []
    for _ in range(bench.repeats):
        with tab(bench.browser, server.url) as (page, counters):
            log_in(page, server)
            page.goto("/jobs")
            grid = page.get_by_role("grid", name="Jobs")
            expect(grid.locator("[aria-rowindex='2']")).to_be_attached()
            page.wait_for_timeout(SETTLED_MS)
            before = read_counters(counters)["TaskDuration"]
            grid.hover()
            with traced(bench.browser, page) as tasks:
                for turn in range(1, TURNS + 1):
                    page.mouse.wheel(0, 400)
                    if turn % LEAP_EVERY == 0:
                        grid.press("End")
                    page.wait_for_timeout(16)
                page.wait_for_timeout(SETTLED_MS / 2)
            longest.append(max(task.wall_ms for task in tasks))
            used.append(find_longest(tasks).processor_ms)
            busy.append(read_counters(counters)["TaskDuration"] - before)
            rows.append(float(grid.get_by_role("row").count()))
    return [
        Figure("longest task while 20 000 jobs scroll", "ms", longest, 50, bench.scale, is_worst=True),
        Figure("processor time of the longest task", "ms", used),
        Figure("main thread for 120 turns of the wheel and 6 leaps", "s", busy),
        Figure("rows in the document meanwhile", "", rows, 60),
    ]
