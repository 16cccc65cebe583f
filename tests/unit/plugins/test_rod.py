"""`heat-rod`: prices, verdicts and files; its numbers are tested with the engine and with the sample program."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.engine.rods import rods as engine
from grid.plugins.builtin.rod import HeatRod
from grid.plugins.builtin.rod_params import RodParams, count_sub_steps
from grid.plugins.builtin.rod_results import compute_metrics
from grid.schemas.jobs import Reason

heat_rod = HeatRod()


def keep_all(_fraction):
    return frozenset()


@given(
    length=st.floats(1e-6, 1e6),
    diffusivity=st.floats(1e-12, 1e3),
    end_time=st.floats(1e-9, 1e12),
    time_steps=st.integers(1, 1_000_000),
    spatial_steps=st.integers(3, 1_000_000),
)
def test_any_valid_rod_is_priced_as_the_engine_would_cut_it(length, diffusivity, end_time, time_steps, spatial_steps):
    params = RodParams(
        length=length, diffusivity=diffusivity, end_time=end_time, time_steps=time_steps, spatial_steps=spatial_steps
    )
    cut = engine.find_sub_steps(length, diffusivity, end_time, time_steps=time_steps, spatial_steps=spatial_steps)
    price = heat_rod.estimate(params)

    assert count_sub_steps(params) == cut.count
    assert price.cell_steps == pytest.approx(spatial_steps * time_steps * cut.count)
    assert price.output_bytes >= 8 * spatial_steps * (time_steps + 1)
    assert math.isfinite(price.work_s)


def test_the_outputs_are_within_the_estimate(tmp_path):
    for params in (
        RodParams(),
        RodParams(time_steps=3000, spatial_steps=5),
        RodParams(time_steps=2, spatial_steps=5001),
    ):
        record = heat_rod.solve([params], keep_all).records[0]
        heat_rod.render(heat_rod.files, params, record, tmp_path)

        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= heat_rod.estimate(params).output_bytes


def test_a_failed_audit_rejects_the_rod_and_its_neighbours_stay(monkeypatch):
    """The kernel is made to gain heat where the span is negative."""
    genuine = engine._kernels().advance_rows

    def leaky(state, current, mesh_fourier, sub_steps, lost, boundary, span, *rest):
        current = genuine(state, current, mesh_fourier, sub_steps, lost, boundary, span, *rest)
        if span < 0:
            state[current][1:-1] *= 1.001
        return current

    monkeypatch.setattr(engine, "_kernels", lambda: engine._Kernels(None, leaky))
    points = [RodParams(initial_temp=t, time_steps=5, spatial_steps=9) for t in (50.0, -50.0, 50.0)]
    batch = heat_rod.solve(points, keep_all)

    assert [outcome.reason for outcome in batch.outcomes] == [Reason.OK, Reason.DIVERGED, Reason.OK]
    assert "energy_balance" in batch.outcomes[1].message
    assert batch.outcomes[1].field_sha256 is None
    assert not any(batch.records[1].tobytes())


def test_a_rod_that_is_not_finite_is_rejected(monkeypatch):
    def spoil(state, current, *rest):
        state[:] = math.nan
        rest[5][:] = math.nan  # the rows
        return current

    monkeypatch.setattr(engine, "_kernels", lambda: engine._Kernels(None, spoil))
    (outcome,) = heat_rod.solve([RodParams(time_steps=2, spatial_steps=5)], keep_all).outcomes

    assert outcome.reason is Reason.DIVERGED
    assert "finite" in outcome.message
    json.dumps(list(outcome.audits), allow_nan=False)


def test_a_giant_in_a_batch_fails_alone_with_a_sentence():
    giant = RodParams(diffusivity=1e3, end_time=1e12, time_steps=5, spatial_steps=9)
    batch = heat_rod.solve([RodParams(time_steps=5, spatial_steps=9), giant], keep_all)

    assert [outcome.reason for outcome in batch.outcomes] == [Reason.OK, Reason.NONZERO_EXIT]
    assert "cell steps" in batch.outcomes[1].message


def test_metrics_are_those_of_the_final_profile():
    params = RodParams(initial_temp=80.0, boundary_temp=20.0, diffusivity=0.1, spatial_steps=101, time_steps=1000)
    batch = heat_rod.solve([params], keep_all)
    final, metrics = batch.records[0]["final"], batch.outcomes[0].metrics

    assert metrics["centre_temperature_degC"] == final[50] == metrics["max_temperature_degC"]
    assert metrics["min_temperature_degC"] == 20.0
    assert metrics["mean_temperature_degC"] == pytest.approx(np.trapezoid(final, dx=0.01))
    # Against the equation's own solution, exp(-alpha pi^2 t) of the span above the ends at the centre.
    assert final[50] == pytest.approx(20 + 60 * math.exp(-0.1 * math.pi**2), rel=1e-3)
    assert metrics["largest_error"] == pytest.approx(
        abs(final[50] - 20 - 60 * math.exp(-0.1 * math.pi**2)) / 60, rel=1e-6
    )


def test_metrics_do_not_depend_on_the_width_of_the_batch():
    rng = np.random.default_rng(7)
    points = [RodParams(diffusivity=d, length=x) for d, x in rng.uniform(0.2, 2.0, (50, 2))]
    final = np.stack([heat_rod.solve([point], keep_all).records[0]["final"] for point in points])
    together = compute_metrics(points, final)

    assert together == [compute_metrics([point], row[None, :])[0] for point, row in zip(points, final, strict=True)]


def test_meta_alone_does_not_solve_again(tmp_path, monkeypatch):
    params = RodParams(time_steps=5, spatial_steps=9)
    record = heat_rod.solve([params], keep_all).records[0]
    monkeypatch.setattr("grid.plugins.builtin.rod_files.solve_rods", None)

    assert heat_rod.render(["meta.json"], params, record, tmp_path) is None
    assert json.loads((tmp_path / "meta.json").read_text())["numerics"]["sub_steps"] == count_sub_steps(params)


def test_rods_of_all_shapes_go_together_and_each_is_the_run_alone_to_the_byte():
    """Everything varies, the numbers of nodes and of results included; equal shapes are not neighbours."""
    shapes = [(9, 5), (31, 40), (9, 7), (31, 40), (10, 1), (9, 5)]
    points = [
        RodParams(spatial_steps=nodes, time_steps=steps, length=1 + 0.1 * place, initial_temp=10.0 * place)
        for place, (nodes, steps) in enumerate(shapes)
    ]
    assert len({heat_rod.batch_key(point) for point in points}) == 1

    together = heat_rod.solve(points, keep_all)

    for place, point in enumerate(points):
        alone = heat_rod.solve([point], keep_all)
        assert together.records[place].tobytes() == alone.records[0].tobytes()
        assert together.records[place]["final"].shape == (point.spatial_steps,)
        assert together.outcomes[place] == alone.outcomes[0]


def test_a_rod_of_another_shape_is_left_out_alone():
    points = [RodParams(spatial_steps=9 + place, time_steps=3) for place in range(4)]

    batch = heat_rod.solve(points, lambda _fraction: frozenset({2}))

    assert [outcome.reason for outcome in batch.outcomes] == [
        Reason.OK, Reason.OK, Reason.CANCELLED_BY_USER, Reason.OK
    ]  # fmt: skip
    assert not any(batch.records[2].tobytes())
