"""Snapshots as sequences: as long as the run, and found when they are asked for."""

import numpy as np
import pytest

from grid.engine.results.snapshots import Kept, Snapshots
from grid.engine.space.discretise import discretise


@pytest.mark.parametrize("conductivity", [1.0, {"expression": "1 + T"}])
def test_an_iteration_ends_with_the_last_snapshot(make_problem, conductivity):
    space = discretise(make_problem(material={"conductivity": conductivity, "volumetric_heat_capacity": 1.0}))
    snapshots = Snapshots(space)
    spaces = Kept(snapshots, snapshots.find_space)
    for time in (0.0, 0.5, 1.0):
        snapshots.add(np.full(space.capacity.size, time), time)

    assert len(list(spaces)) == len(spaces[:]) == 3
    assert spaces[-1] is spaces[2]
    with pytest.raises(IndexError):
        spaces[3]
