"""A run says how far it is and when it takes three times its estimate; nobody who looks changes its bytes."""

import io
import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest

from grid.core.errors import FieldError
from grid.engine import prepare, progress, solve
from grid.engine.progress import CompileClock, Progress, SlowRunWarning, Watch, watching
from grid.engine.run.progress_bar import Bar, describe, format_seconds

COLD = {"x_min": {"type": "temperature", "value": 0.0}}
LAYERED = {"conductivity": {"expression": "where(x > 0.5, 10, 1)"}, "volumetric_heat_capacity": 1.0}
NONLINEAR = {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}


@pytest.fixture
def clocks(monkeypatch):
    """The clocks of the watch, which stand still until they are moved."""
    now = SimpleNamespace(wall=0.0, processor=0.0)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now.wall)
    monkeypatch.setattr(progress.time, "process_time", lambda: now.processor)
    return now


@pytest.mark.parametrize("method", ["implicit", "rkl2", "adi", "krylov", "exponential", "explicit", "modal"])
def test_every_method_reports_to_the_end_and_gives_the_same_bytes(make_problem, method):
    problem = make_problem(
        2, material=LAYERED, boundaries=COLD, resolution={"cells": [8, 6], "end_time": 0.05, "steps": 40}
    )
    seen = []
    watched = solve(problem, method=method, tolerance=1e-2, progress=seen.append)

    assert seen[-1].fraction == 1.0
    assert seen[-1].remaining == 0.0
    assert [one.fraction for one in seen] == sorted(one.fraction for one in seen)
    assert {one.method for one in seen} == {method}
    assert solve(problem, method=method, tolerance=1e-2).fields.tobytes() == watched.fields.tobytes()


def test_steady_states_rods_and_ladders_report_too(make_problem):
    for problem, arguments in (
        (make_problem(steady=True, boundaries=COLD), {}),
        (make_problem(boundaries=COLD), {"method": "explicit"}),
        (make_problem(boundaries=COLD), {"richardson": True}),
    ):
        seen = []
        solve(problem, progress=seen.append, **arguments)
        assert seen[-1].fraction == 1.0


def test_it_reports_at_most_ten_times_a_second(clocks):
    seen = []
    watch = Watch("implicit", 100.0, seen.append)
    for number in range(1000):
        clocks.wall = clocks.processor = 0.01 * number
        watch.update(number / 1000, float(number), number)

    assert 95 <= len(seen) <= 100
    assert seen[50].elapsed == pytest.approx(clocks.wall / 2, rel=0.05)


def test_what_remains_goes_from_the_estimate_to_the_pace(clocks):
    """At a third of the pace that was estimated, the end is told ever better."""
    seen = []
    watch = Watch("implicit", 10.0, seen.append)
    for step in range(101):
        clocks.wall = clocks.processor = 0.3 * step
        watch.update(step / 100, 0.0, step)
    off = [abs(one.remaining - (30.0 - one.elapsed)) for one in seen]

    assert off[0] == pytest.approx(20.0)
    assert off == sorted(off, reverse=True)
    assert off[-1] == pytest.approx(0.0, abs=1e-9)


def test_time_of_others_does_not_count(clocks):
    watch = Watch("implicit", 1.0)
    clocks.wall, clocks.processor = 2.0, 9.0  # other threads
    assert watch.elapsed == 2.0
    clocks.wall, clocks.processor = 60.0, 9.0  # a busy machine
    assert watch.elapsed == 9.0


def test_a_slow_run_is_said_once_with_estimate_time_and_share(clocks):
    watch = Watch("adi", 4.0)
    clocks.wall = clocks.processor = 11.9
    watch.update(0.2, 1.0, 5)
    assert not watch.warnings
    clocks.wall = clocks.processor = 12.5
    with pytest.warns(SlowRunWarning, match="adi was estimated at 4 s and has taken 12 s .* 25% of the simulated time"):
        watch.update(0.25, 1.0, 6)
    clocks.wall = clocks.processor = 40.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.update(0.9, 1.0, 7)

    assert len(watch.warnings) == 1


def test_short_runs_and_compiling_are_no_reason_to_warn(clocks, monkeypatch):
    clock = CompileClock()
    monkeypatch.setattr(CompileClock, "known", clock)
    watch = Watch("adi", 0.01)
    clocks.wall = clocks.processor = 1.9
    watch.update(0.5, 1.0, 1)
    clock.enter()
    clock.enter()  # a kernel within a kernel
    clocks.wall = clocks.processor = 50.0
    clock.leave()
    clock.leave()
    watch.update(0.6, 1.0, 2)

    assert clock.seconds == pytest.approx(48.1)
    assert not watch.warnings


def test_the_warning_travels_with_the_solution(make_problem, monkeypatch):
    monkeypatch.setattr(progress, "LEAST", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    problem = make_problem(2, material=NONLINEAR, boundaries=COLD)
    solve(problem, method="implicit", tolerance=1e-2)
    plan = prepare(problem, method="implicit", tolerance=1e-2)
    quick = replace(plan.summary, estimate=replace(plan.summary.estimate, work_s=0.0))
    with pytest.warns(SlowRunWarning) as told:
        solution = replace(plan, summary=quick).solve()

    assert [str(one.message) for one in told] == list(solution.run_warnings)
    assert solution.warnings == (*quick.warnings, *solution.run_warnings)
    assert len(solution.run_warnings) == 1


def test_a_watch_ends_with_its_run():
    with watching(Watch("one", 1.0)) as outer:
        with watching(Watch("two", 1.0)) as inner:
            assert progress.find_watch() is inner
        assert progress.find_watch() is outer
    assert progress.find_watch() is None


def test_progress_is_a_function_or_true(make_problem):
    with pytest.raises(FieldError, match="progress"):
        solve(make_problem(boundaries=COLD), progress="yes")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_drawn_on_a_terminal_alone(make_problem, monkeypatch):
    problem = make_problem(2, material=LAYERED, boundaries=COLD)
    for stream, is_drawn in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        solve(problem, progress=True)
        assert stream.getvalue().endswith("\n") == is_drawn
        assert ("100%" in stream.getvalue()) == is_drawn


def test_a_notebook_shows_one_line_that_changes(monkeypatch):
    shown = []

    def update(content, *, raw):
        assert raw
        shown.append(content["text/plain"])

    def display(content, *, raw, display_id):
        assert display_id
        update(content, raw=raw)
        return SimpleNamespace(update=update)

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    bar = Bar()
    for fraction in (0.0, 0.5, 1.0):
        bar(Progress(fraction, 0.0, 1, 3.0, 9.0, "krylov"))
    bar.close()

    assert [line.split("%")[0][-3:].strip() for line in shown] == ["0", "50", "100"]
    assert shown[1].startswith("krylov [###############...............]")


def test_a_line_names_what_is_done_and_what_is_left():
    line = describe(Progress(0.25, 1.0, 7, 70.0, 4000.0, "adi"))

    assert "25%" in line
    assert "1 min 10 s" in line
    assert "about 1 h 06 min left" in line
    assert format_seconds(0.04) == "0.0 s"
    assert "left" not in describe(Progress(1.0, 1.0, 7, 70.0, 0.0, "adi"))
