"""The table of the planner's honesty: a choice loses what it takes beyond the best, and a loss of twice is marked."""

from benchmarks.engine.own.building import stiff
from benchmarks.engine.own.territory import TERRITORIES
from benchmarks.engine.planning import Row, render
from benchmarks.engine.problems import STIFF_TOLERANCE

from grid.engine import estimate, prepare
from grid.engine.costs import calibration


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


def test_on_a_machine_with_slow_memory_a_large_body_is_left_to_multigrid():
    """Products of the operator wait for memory at 192^3: on a machine of a third of the speed they took 23 s for 16."""
    problem = stiff(192, 3)

    def seconds(method):
        return estimate(problem, method=method, tolerance=STIFF_TOLERANCE).work_s

    assert seconds("exponential") < seconds("krylov")
    slow = {"memory": 3.4, "stencil": 1.9, "call": 1.9, "array": 2.5, "dense": 3.0, "sparse": 2.0, "transform": 2.0}
    calibration.use(calibration.Calibration("slow memory", slow))
    try:
        assert seconds("krylov") < seconds("exponential")
        assert estimate(problem, tolerance=STIFF_TOLERANCE).work_s == seconds("krylov")
    finally:
        calibration.use(None)
