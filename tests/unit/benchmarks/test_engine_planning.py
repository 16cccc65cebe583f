"""The table of the planner's honesty: a choice loses what it takes beyond the best, and a loss of twice is marked."""

from benchmarks.engine.own.territory import TERRITORIES
from benchmarks.engine.planning import Row, render

from grid.engine import prepare


def row(method, seconds, *, is_chosen=False):
    return Row("rod", method, is_chosen=is_chosen, estimate=0.5, seconds=seconds, limit=2.0, load=0.0)


def test_the_loss_is_that_of_the_choice_to_the_best():
    assert "| a | 1.50 x |" in render([row("a", 0.3, is_chosen=True), row("b", 0.2), row("c", None)])
    assert "**3.00 x**" in render([row("a", 0.6, is_chosen=True), row("b", 0.2)])
    assert "**-**" in render([row("a", None, is_chosen=True), row("b", 0.2)])
    assert "c 5e+02 ms -> > 2 s" in render([row("a", 0.3, is_chosen=True), row("c", None)])


def test_most_problems_have_a_choice_of_methods():
    chosen, priced = set(), []
    for territory in TERRITORIES:
        problem = territory.make()
        if problem.domain.cell_count > 5_000:
            continue
        summary = prepare(problem, tolerance=territory.tolerance).summary
        chosen.add(summary.method)
        priced.append(1 + sum(other.seconds is not None for other in summary.alternatives))
    assert len(chosen) > 1
    assert max(priced) >= 4
