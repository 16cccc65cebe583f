"""Bodies on their grids that the runs of a batch share."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from grid.engine import HeatProblem, solve
from grid.engine.linear.factor_sharing import share_factors
from grid.engine.results.views import find_extrema, surface_metrics
from grid.engine.space import body_sharing
from grid.engine.space.body_sharing import share_bodies
from grid.engine.space.discretise import discretise

FINS = {"expression": "(y < 0.02) | ((x > 0.01) & (x < 0.02)) | ((x > 0.04) & (x < 0.05))"}
REGIONS = (
    {"conductivity": 20.0, "volumetric_heat_capacity": 1e6, "where": {"expression": "y < 0.02"}},
    {"conductivity": 200.0, "volumetric_heat_capacity": 2e6, "where": {"expression": "y > 0.02"}},
)


def sink(power=1e3, film=20.0, **changes):
    """Fins on a plate that is heated from below for a while."""
    air = {"type": "convection", "coefficient": film, "ambient": 20.0}
    return {
        "domain": {"size": [0.06, 0.05], "active": FINS},
        "material": list(REGIONS),
        "initial": 20.0,
        "boundaries": {
            "y_min": {"type": "flux", "value": {"table": [[0.0, power], [5.0, 0.0]]}},
            "internal": air,
            "y_max": air,
        },
        "resolution": {"cells": [30, 25], "end_time": 20.0},
    } | changes


def run(case):
    return solve(HeatProblem.from_case(case), method="krylov", times=[5.0, 20.0], tolerance=1e-3)


def is_equal(one, other):
    """Compare two values of spaces by content."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(is_equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_equal(one[key], other[key]) for key in one)
    if is_dataclass(one):
        names = [part.name for part in fields(one) if part.name != "is_shared"]
        return all(is_equal(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


@pytest.fixture
def made(monkeypatch):
    """The problems that were discretised."""
    from grid.engine.space import discretise as module

    problems, make = [], module._discretise

    def watch(problem):
        problems.append(problem)
        return make(problem)

    monkeypatch.setattr(module, "_discretise", watch)
    return problems


def test_problems_that_differ_in_loads_and_films_share_a_body_and_keep_their_bytes(made):
    cases = [sink(power, film) for power in (1e3, 2e3) for film in (20.0, 50.0)]
    alone = [run(case) for case in cases]
    made.clear()
    with share_factors():
        together = [run(case) for case in cases]

    assert len(made) == 1
    for one, other in zip(alone, together, strict=True):
        assert one.fields.tobytes() == other.fields.tobytes()
        assert one.metrics == other.metrics
        assert one.warnings == other.warnings
        assert surface_metrics(one) == surface_metrics(other)


@pytest.mark.parametrize(
    "change",
    [
        {"domain": {"size": [0.06, 0.05]}, "boundaries": {}},
        {"domain": {"size": [0.06, 0.05], "active": {"expression": "y < 0.03"}}},
        {"resolution": {"cells": [30, 50], "end_time": 20.0}},
        {"material": [REGIONS[0], REGIONS[1] | {"conductivity": 100.0}]},
        {"material": [REGIONS[0], REGIONS[1] | {"volumetric_heat_capacity": 1e6}]},
        {
            "contacts": [{"axis": "y", "position": 0.02, "conductance": 1e3}],
            "domain": {"size": [0.06, 0.05]},
            "boundaries": {},
        },
        {"boundaries": {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}},
        {"steady": True, "initial": None, "boundaries": {"y_min": {"type": "temperature", "value": 20.0}}},
    ],
    ids="-".join,
)
def test_a_problem_with_another_body_has_its_own(change):
    changed = {name: value for name, value in (sink() | change).items() if value is not None}
    first, other = HeatProblem.from_case(sink()), HeatProblem.from_case(changed)
    alone = discretise(other)
    with share_bodies():
        discretise(first)
        after = discretise(other)

    assert is_equal(alone, after)


def test_coefficients_that_depend_on_temperature_are_not_shared(made):
    """They are those of the start, of which two problems may have two."""
    law = {"conductivity": {"expression": "20 + 0.1*T"}, "volumetric_heat_capacity": 1e6}
    with share_bodies():
        spaces = [discretise(HeatProblem.from_case(sink(material=law, initial=start))) for start in (20.0, 120.0)]

    assert len(made) == 2
    assert spaces[0].conductivity[0].max() == pytest.approx(22.0)
    assert spaces[1].conductivity[0].max() == pytest.approx(32.0)


def test_the_last_bodies_are_stored_and_large_ones_are_not(made, monkeypatch):
    monkeypatch.setattr(body_sharing, "MOST_BODIES", 1)
    one, other = (
        HeatProblem.from_case(sink(resolution={"cells": [30, count], "end_time": 20.0})) for count in (25, 50)
    )
    with share_bodies():
        for problem in (one, one, other, one):
            discretise(problem)
    assert made == [one, other, one]

    made.clear()
    monkeypatch.setattr(body_sharing, "MOST_CELLS", 100)
    with share_bodies():
        discretise(one)
        discretise(one)
    assert len(made) == 2


def test_extremes_of_the_surfaces_are_those_of_all_extremes():
    solution = run(sink())
    found = find_extrema(solution, None)

    assert surface_metrics(solution) == {
        "peak_surface_temperature": found.hottest_surface,
        "minimum_surface_temperature": found.coldest_surface,
    }
