"""The fields that simulations name: axes, times and body of the record as the engine has them."""

import io
import subprocess
import sys

import numpy as np
import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.solved_jobs import BODIES, MASKED, solve

from grid.plugins.builtin.heat_problem import make_plan
from grid.plugins.builtin.live.record import read_row
from grid.plugins.builtin.noop import Noop
from grid.plugins.registry import load_registry
from grid.runtime.field_frames import require_readable
from grid.runtime.records import open_record
from grid.runtime.solving import parse_params
from grid.schemas.fields import DescribesFields

KEY = "packs/20260101/one.npy"


@pytest.fixture
def read():
    """Read the one field of a solved point, and its values at each time that is kept."""

    def found(name):
        solved, store = solve(name), MemoryArtifactStore()
        store.put(KEY, io.BytesIO(solved.pack))
        simulation = load_registry().get(solved.simulation)
        with open_record(store, {**solved.entry, "key": KEY}) as record:
            (field,) = simulation.describe_fields(parse_params(simulation, solved.params), record)
            require_readable(record, field)
            return field, [record.rows(part, 0, field.shape[0]) for part in field.parts]

    return found


def test_a_rod_has_its_results_at_its_nodes(read):
    field, values = read("rod")

    assert (field.name, field.unit, field.is_complete) == ("temperature", "degC", True)
    assert [(axis.name, axis.at, axis.count, axis.origin, axis.spacing) for axis in field.axes] == [
        ("x", "node", 21, 0.0, 0.05)
    ]
    assert [part.time_s for part in field.parts] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(values[0], 100.0 * np.sin(np.pi * np.linspace(0.0, 1.0, 21)), atol=1e-5)
    np.testing.assert_array_equal(values[-1], solve("rod").record["final"])
    assert values[-1].dtype == np.float64


@pytest.mark.parametrize("name", ["wall", "plate", "masked", "block"])
def test_a_grid_has_its_fields_at_its_cells(read, name):
    problem, solved = BODIES[name][1]["problem"], solve(name)
    field, values = read(name)
    domain, cells = problem["domain"], problem["resolution"]["cells"]

    assert field.unit == problem["temperature_unit"]
    assert [axis.name for axis in field.axes] == list("xyz"[: len(cells)])
    assert [axis.count for axis in field.axes] == cells
    assert [axis.origin for axis in field.axes] == list(domain.get("origin", [0.0] * len(cells)))
    assert [axis.spacing for axis in field.axes] == pytest.approx(np.divide(domain["size"], cells).tolist())
    assert {axis.at for axis in field.axes} == {"cell"}
    assert [part.time_s for part in field.parts] == solved.record["series"][0].tolist()
    assert field.is_complete
    np.testing.assert_array_equal(values[-1], solved.record["final"])
    np.testing.assert_array_equal(values[0], np.full(cells, 20.0))


def test_the_body_is_that_of_the_engine_in_any_rows(read):
    field, _ = read("masked")
    heat = parse_params(load_registry().get("heat"), BODIES["masked"][1])
    body = make_plan(heat).solve().body

    assert 0 < body.sum() < body.size
    np.testing.assert_array_equal(field.body(0, 10), body)
    np.testing.assert_array_equal(field.body(4, 7), body[4:7])
    assert read("plate")[0].body is None


def test_a_steady_state_has_one_time_and_a_relative_temperature_says_so(read):
    field, values = read("steady")

    assert ([part.time_s for part in field.parts], field.is_complete) == ([0.0], True)
    assert (field.title, field.unit) == ("Temperature from any zero", "K")
    np.testing.assert_allclose(values[0], np.linspace(1.0, 0.0, 19)[1::2], atol=1e-9)


def test_a_live_point_has_its_last_field(read):
    field, values = read("live")
    kept = read_row(solve("live").record)

    assert field.unit == kept.document["unit"]
    assert [part.time_s for part in field.parts] == [kept.document["metrics"]["time_s"]]
    assert not field.is_complete
    np.testing.assert_array_equal(values[-1], kept.final)


def test_a_simulation_without_fields_is_not_asked():
    assert not isinstance(Noop(), DescribesFields)
    named = {name for name, one in load_registry().simulations().items() if isinstance(one, DescribesFields)}
    assert named == {"heat-rod", "heat", "live"}


def test_describing_and_encoding_load_no_numba(tmp_path):
    """Also of a masked grid that is large enough for the engine's own evaluation to be compiled."""
    solved = solve("live")
    (tmp_path / "live.npy").write_bytes(solved.pack)
    code = f"""
import sys
from pathlib import Path
from grid.plugins.registry import load_registry
from grid.runtime.field_frames import encode_field, measure_field
from grid.runtime.records import open_record
from grid.runtime.solving import parse_params
from grid.schemas.fields import FieldRequest
class Folder:
    def open(self, key):
        return (Path({str(tmp_path)!r}) / key).open("rb")
simulation = load_registry().get("live")
with open_record(Folder(), {dict(solved.entry, key="live.npy")!r}) as record:
    (field,) = simulation.describe_fields(parse_params(simulation, {solved.params!r}), record)
    encode_field(record, field, FieldRequest(), run=bytes(8), computed_ms=0)
    measure_field(record, field)
heat = load_registry().get("heat")
problem = {MASKED!r}
problem["resolution"]["cells"] = [1000, 400]
from grid.plugins.builtin.cell_fields import make_temperature
from grid.plugins.builtin.heat_problem import read_problem
domain = read_problem(parse_params(heat, {{"problem": problem}})).domain
assert make_temperature(domain, "K", (), is_complete=True).body(0, 1000).shape == (1000, 400)
assert not {{"numba", "llvmlite", "scipy", "matplotlib"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
