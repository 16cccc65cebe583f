"""The audit of loads sees what a method that integrates them exactly really used."""

from dataclasses import replace

import pytest

from grid.engine import solve
from grid.engine.loads import signals

PULSES = {"table": [[0, 3], [0.02, 5], [0.03, 1], [0.07, 4]]}
LOADS = {
    "table": {"boundaries": {"x_min": {"type": "convection", "coefficient": 1.0, "ambient": PULSES}}},
    "steps": {"boundaries": {"x_min": {"type": "flux", "value": PULSES | {"interpolation": "previous"}}}},
    "expressions": {
        "boundaries": {"x_min": {"type": "flux", "value": {"expression": "3 + sin(200*t)"}}},
        "source_term": {"expression": "exp(-3000*(t - 0.04)**2)"},
    },
    "place and time": {
        "dimension": 2,
        "boundaries": {"x_min": {"type": "flux", "value": {"expression": "y*t + t**2"}}},
    },
}


def find_audit(solution):
    return next(audit for audit in solution.audits if audit.name == "load_integral")


@pytest.mark.parametrize("method", ["modal", "krylov"])
@pytest.mark.parametrize("times", [None, [0.01, 0.025, 0.09]])
@pytest.mark.parametrize("name", LOADS)
def test_the_integrals_of_loads_between_knots_are_audited(make_problem, name, method, times):
    solution = solve(make_problem(**LOADS[name]), method=method, times=times, tolerance=1e-4)
    audit = find_audit(solution)

    assert audit.verdict == "passed"
    assert audit.value <= 2e-5  # of the straight lines, a twentieth of the tolerance at most
    assert solution.is_accepted


@pytest.mark.parametrize("method", ["modal", "krylov"])
@pytest.mark.parametrize("name", LOADS)
def test_a_method_that_followed_a_load_wrongly_is_rejected(make_problem, monkeypatch, name, method):
    make = signals.make_signal

    def stretch(*arguments):
        signal = make(*arguments)
        return replace(signal, low=1.05 * signal.low, high=1.05 * signal.high)

    monkeypatch.setattr(signals, "make_signal", stretch)
    audit = find_audit(solve(make_problem(**LOADS[name]), method=method, tolerance=1e-4))
    assert audit.verdict == "failed"
    assert audit.value > 0.005
