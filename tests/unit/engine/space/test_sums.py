"""What cells exchange with their neighbours: compiled passes give the bytes of array operations."""

import numpy as np
import pytest

from grid.engine.space import sums as space_sums
from grid.engine.space.discretise import discretise

BOARD = {
    "domain": {"size": [1.0, 0.7, 0.2], "active": {"expression": "(z < 0.1) | ((x > 0.3) & (y < 0.4))"}},
    "material": [
        {"where": {"expression": "x < 0.55"}, "conductivity": [1.0, 2.0, 0.1], "volumetric_heat_capacity": 1.0},
        {"where": {"expression": "x > 0.55"}, "conductivity": 30.0, "volumetric_heat_capacity": 2.0},
    ],
}
VARIED = {"material": {"conductivity": {"expression": "1 + x*y + z"}, "volumetric_heat_capacity": 1.0}}


@pytest.mark.jit
@pytest.mark.parametrize("changes", [BOARD, VARIED])
@pytest.mark.parametrize("cells", [[7, 5, 4], [1, 6, 3], [5, 1, 6], [6, 4, 1]])
def test_compiled_passes_give_the_bytes_of_array_operations(make_problem, monkeypatch, changes, cells):
    space = discretise(make_problem(3, **changes, resolution={"cells": cells, "end_time": 1.0}))
    temperature = np.random.default_rng(1).standard_normal(space.capacity.size)
    plain = space_sums.conduct(space, temperature), space_sums.sum_conductances(space)
    assert space_sums._find_planes(space) is None

    monkeypatch.setattr(space_sums, "MANY_CELLS", 1)

    assert space_sums._find_planes(space) is not None
    assert np.array_equal(space_sums.conduct(space, temperature), plain[0])
    assert np.array_equal(space_sums.sum_conductances(space), plain[1])


def test_what_is_joined_around_or_carried_is_left_to_array_operations(make_problem, monkeypatch):
    monkeypatch.setattr(space_sums, "MANY_CELLS", 1)
    ring = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}

    for changes in (BOARD | {"boundaries": ring}, VARIED | {"velocity": [0.0, 1.0, 0.0]}):
        space = discretise(make_problem(3, **changes, resolution={"cells": [6, 4, 3], "end_time": 1.0}))

        assert space_sums._find_planes(space) is None
