"""Modes that loads drive, from systems that are solved roughly by multigrid, beside those of factorised systems."""

import numpy as np
import pytest

from grid.engine import HeatProblem, solve
from grid.engine.methods.krylov import method

TOLERANCE = 1e-3
TIMES = tuple(np.linspace(10.0, 240.0, 24).tolist())
POWER = [[0, 0], [5, 40], [60, 40], [65, 10], [120, 10], [125, 60], [180, 60], [185, 0], [240, 0]]  # s, W


def sink(fins, film):
    """Aluminium fins on a copper plate with a chip below."""
    places = [f"((x > {4 * (7 * n // (fins - 1))} ) & (x < {4 * (7 * n // (fins - 1)) + 2}))" for n in range(fins)]
    chip = "(x > 10) & (x < 20) & (y > 10) & (y < 20)"
    air = {"type": "convection", "coefficient": film, "ambient": 0.0}
    plate = {"conductivity": 400e-3, "volumetric_heat_capacity": 3.4e-3, "where": {"expression": "z < 8"}}
    fin = {"conductivity": 170e-3, "volumetric_heat_capacity": 2.4e-3, "where": {"expression": "z > 8"}}
    body = f"((z < 2) & {chip}) | ((z > 2) & (z < 8)) | ((z > 8) & ({' | '.join(places)}))"
    return HeatProblem.from_case(
        {
            "domain": {"size": [30.0, 30.0, 38.0], "active": {"expression": body}},  # mm
            "material": [plate, fin],
            "initial": 0.0,
            "boundaries": {
                "z_min": {"type": "flux", "value": {"table": [[time, power / 100.0] for time, power in POWER]}},
                **dict.fromkeys(("internal", "x_min", "x_max", "y_min", "y_max", "z_max"), air),
            },
            "resolution": {"cells": [15, 15, 19], "end_time": 240.0},
        }
    )


@pytest.mark.parametrize(("fins", "film"), [(3, 1e-5), (5, 2e-5), (6, 8e-5), (8, 2e-5)])
def test_directions_of_rough_solves_keep_the_tolerance(monkeypatch, fins, film):
    problem, found = sink(fins, film), []
    for is_direct in (True, False):
        monkeypatch.setattr(method, "is_direct", lambda _, is_direct=is_direct: is_direct)
        found.append(solve(problem, method="krylov", times=TIMES, tolerance=TOLERANCE))

    exact, rough = found
    [told] = [audit.value for audit in rough.audits if audit.name == "step_error"]
    assert rough.is_accepted
    assert np.abs(rough.fields - exact.fields).max() <= min(told, TOLERANCE) * np.ptp(exact.fields)
