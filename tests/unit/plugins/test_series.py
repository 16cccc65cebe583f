"""Series and guides of the built-in simulations: what records hold over time, and what results mean."""

import io
import json

import numpy as np
import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.solved_jobs import BODIES, solve

from grid.plugins.builtin.rod_results import compute_mean
from grid.plugins.registry import load_registry
from grid.runtime.records import open_record
from grid.runtime.solving import parse_params
from grid.schemas.live import TICK_METRICS
from grid.schemas.results import DescribesSeries

KEY = "packs/20260101/one.npy"


@pytest.fixture
def read():
    """Read the series of a solved point, by the names of its columns."""

    def found(name):
        solved, store = solve(name), MemoryArtifactStore()
        store.put(KEY, io.BytesIO(solved.pack))
        simulation = load_registry().get(solved.simulation)
        with open_record(store, {**solved.entry, "key": KEY}) as record:
            columns = simulation.describe_series(parse_params(simulation, solved.params), record)
        assert len({len(column.values) for column in columns}) == 1
        assert columns[0].name == "time"
        return {column.name: column for column in columns}

    return found


def test_a_rod_has_mean_extremes_and_centre_of_the_results_that_are_kept(read):
    columns, final = read("rod"), solve("rod").record["final"]

    assert columns["time"].values == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert {column.unit for column in columns.values()} == {"s", "degC"}
    assert columns["max"].values[0] == pytest.approx(100.0, abs=1e-5)
    assert columns["mean"].values[0] == pytest.approx(100.0 * 2 / np.pi, rel=3e-3)  # of a sine, by trapezia
    assert columns["mean"].values[-1] == pytest.approx(compute_mean(final[None, :])[0], rel=1e-14)
    assert columns["centre"].values[-1] == final[10]
    assert columns["min"].values == [0.0] * 6


def test_heat_has_the_history_of_its_record(read):
    columns, record = read("plate"), solve("plate").record

    np.testing.assert_array_equal([column.values for column in columns.values()], record["series"])
    assert [column.unit for column in columns.values()] == ["s", "degC", "degC", "degC"]
    assert len(read("steady")["time"].values) == 1


def test_a_live_point_has_the_metrics_that_have_values(read):
    columns = read("live")

    assert set(columns) - {"time"} <= set(TICK_METRICS)
    assert {"highest", "mean", "stored_heat"} <= set(columns)
    assert columns["time"].values == sorted(columns["time"].values)
    assert columns["highest"].unit in {"K", "degC"}
    assert all(value is None or np.isfinite(value) for column in columns.values() for value in column.values)
    highest = columns["highest"].values[-1]
    assert highest == pytest.approx(solve("live").record["final"].max(), rel=1e-3)


def test_a_simulation_without_a_course_has_no_series():
    assert not isinstance(load_registry().get("noop"), DescribesSeries)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_every_metric_of_a_result_and_every_field_is_explained(name):
    simulation_name, params = BODIES[name]
    simulation = load_registry().get(simulation_name)
    guide = simulation.describe_results()
    outcome = simulation.solve([parse_params(simulation, params)], lambda _: frozenset()).outcomes[0]

    assert set(outcome.metrics) <= {metric.name for metric in guide.metrics}
    assert len({metric.name for metric in guide.metrics}) == len(guide.metrics)


@pytest.mark.parametrize("name", ["heat", "heat-rod", "live", "noop"])
def test_examples_are_valid_and_can_be_afforded(name):
    simulation = load_registry().get(name)

    examples = simulation.describe_results().examples
    assert examples
    for example in examples:
        json.dumps(example.params, allow_nan=False)
        assert simulation.estimate(parse_params(simulation, example.params)).work_s < 60.0, example.title


@pytest.mark.parametrize("name", ["heat", "heat-rod", "live", "noop"])
def test_every_number_of_a_schema_has_a_title_a_unit_and_a_scale(name):
    schema = load_registry().get(name).params_model.model_json_schema()

    for member, field in schema["properties"].items():
        kinds = {field.get("type"), *(one.get("type") for one in field.get("anyOf", ()))}
        if kinds & {"number", "integer"}:
            assert field["title"], member
            assert field["unit"], member
            assert field["scale"] in {"linear", "log"}, member
            assert field["scale"] == "linear" or field.get("minimum", field.get("exclusiveMinimum", 0)) >= 0, member
