"""The points that the benchmark of sweeps sends."""

from benchmarks.sweep import BASE, RANGES, make_hypercube

from grid.plugins.builtin.rod import HeatRod
from grid.plugins.builtin.rod_params import RodParams


def test_the_hypercube_varies_everything_and_asks_for_as_much_work_as_the_sweep_of_one_shape():
    shaped, equal = (make_hypercube(200, is_shaped=is_shaped) for is_shaped in (True, False))

    assert all(len({point[name] for point in shaped}) > 80 for name in RANGES)
    assert {(point["time_steps"], point["spatial_steps"]) for point in equal} == {tuple(BASE.values())}
    work = [sum(HeatRod().estimate(RodParams(**point)).cell_steps for point in points) for points in (shaped, equal)]
    assert 0.8 < work[0] / work[1] < 1.25
