"""The table of the engine's benchmarks says what the records say, and misses are misses."""

from typing import Any

import pytest
from benchmarks.engine.table import GOALS, find_fastest, render, seconds_text


def make_record(tool: str, problem: str, seconds: float, error: float | None = 0.0, **more: Any) -> dict[str, Any]:
    spread = [0.5 * seconds, seconds, 3.0 * seconds]
    return {"tool": tool, "problem": problem, "seconds": spread, "error": error, "threads": 2, "load": 0.5, **more}


def row_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {start}"))


@pytest.mark.parametrize(("ours", "judged"), [(1.0, "aim met"), (1.5, "aim met"), (2.0, "met"), (4.0, "**missed**")])
def test_a_ratio_is_judged_by_medians_against_the_least_and_the_aim(ours, judged):
    text = render([make_record("SciPy", "P3", 24.0, 5e-4), make_record("Grid", "P3", ours, 5e-4, precision=None)])

    row = row_of(text, "P3 stiff")
    assert row.endswith(f"| {judged} |")
    assert f"| {24.0 / ours:.2f} x |" in row


def test_the_best_peer_is_the_fastest_one_that_meets_the_error():
    records = [
        make_record("hasty", "P3N", 1.0, 2e-3),
        make_record("slow", "P3N", 9.0, 1e-4),
        make_record("good", "P3N", 5.0, 9e-4),
    ]
    goal = next(goal for goal in GOALS if goal.problem == "P3N")

    found = find_fastest(records, goal, is_ours=False)

    assert found is not None
    assert found["tool"] == "good"


def test_a_run_of_ours_outside_the_error_is_a_miss_however_fast():
    text = render([make_record("SciPy", "P4", 1.0, 0.0), make_record("Grid", "P4", 1e-3, 1e-2, precision=None)])

    assert row_of(text, "P4 homogeneous").endswith("| **missed** |")


def test_float32_is_compared_with_float32():
    records = [
        make_record("JAX", "P1", 1.0, 1e-6, precision="f32", updates=10**9),
        make_record("JAX", "P1", 2.0, 0.0, precision="f64", updates=10**9),
        make_record("Grid", "P1", 0.5, 1e-6, precision="f32", updates=10**9),
    ]

    text = render(records)
    assert "| 2.00 x |" in row_of(text, "P1 in float32")
    assert row_of(text, "P1 explicit").endswith("| **missed** |")


def test_memory_traffic_without_blocking_is_a_bar_of_its_own():
    records = [
        make_record("write_allocate", "DRAM", 1.0, None, precision="f64", updates=2 * 10**9),
        make_record("Grid", "P1L", 1.0, 0.0, precision="f64", updates=3 * 10**9, bytes_per_cell=16.0),
    ]

    text = render(records)
    assert "| 1.50 x | 1 x |" in row_of(text, "P1L f64 above memory")
    assert row_of(text, "P6").endswith("| aim met |")


def test_growth_compares_a_cell_with_the_grid_before_on_the_same_path():
    records = [
        make_record("Grid", "growth", 1.0, None, cells=100, path="implicit 2D", settings="implicit 2D, small"),
        make_record("Grid", "growth", 4.0, None, cells=400, path="implicit 2D", settings="implicit 2D, twice"),
        make_record("Grid", "growth", 32.0, None, cells=1600, path="implicit 2D", settings="implicit 2D, again"),
    ]

    text = render(records)
    assert "1.00 x" in row_of(text, "growth, implicit 2D, twice")
    assert row_of(text, "growth, implicit 2D, again").endswith("| **missed** |")


def test_every_run_and_every_failure_is_shown():
    text = render([make_record("SciPy", "P3", 2.0, 5e-4, settings="10 steps"), {"tool": "JAX", "failed": "no wheel"}])

    assert "10 steps" in text
    assert "- failed: no wheel" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0125, "12.5 ms"), (2.95e-5, "29.5 us"), (3.1e-9, "3.1 ns")]
)
def test_seconds_are_written_in_the_unit_in_which_they_are_read(seconds, text):
    assert seconds_text(seconds) == text
