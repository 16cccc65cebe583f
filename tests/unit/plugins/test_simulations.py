"""What every simulation promises, tried on each one that is installed."""

import importlib.util
import io
import itertools
import json
import math
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.doubles.artifacts import MemoryArtifactStore

from grid.plugins.registry import Registry, load_registry
from grid.runtime.field_frames import measure_field, require_readable
from grid.runtime.packs import write_pack
from grid.runtime.records import open_record
from grid.schemas.fields import DescribesFields
from grid.schemas.jobs import Reason

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "plugin" / "cooling_cup.py"


def load_example():
    """Import the plugin that docs/plugins.md shows."""
    spec = importlib.util.spec_from_file_location("cooling_cup", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_all():
    """Return the installed simulations and those of the documented example."""
    return Registry([*load_registry().simulations().values(), *load_example().grid_simulations()])


SIMULATIONS = load_all().simulations()
# Points of one batch key, all different and all quick, for each simulation; the first is the default.
WALL = {
    "dimension": 1,
    "steady": False,
    "domain": {"coordinates": "cartesian", "size": [0.1]},
    "material": {"conductivity": 50.0, "volumetric_heat_capacity": 3.6e6},
    "initial": 20.0,
    "temperature_unit": "degC",
    "resolution": {"cells": [12], "steps": 120, "end_time": 60.0},
}


def wall(temperature, **changes):
    """Return a wall that is heated from one side."""
    return {**WALL, "boundaries": {"x_min": {"type": "temperature", "value": temperature}}, **changes}


POINTS = {
    "heat": [
        {"problem": wall(temperature), "outputs": 5, "method": method}
        for temperature, method in [
            (100.0, "auto"), (200.0, "auto"), (-20.0, "explicit"), (20.0, "explicit"), (35.0, "implicit"),
            (900.0, "auto"), (100.0, "implicit"),
        ]
    ],
    "heat-rod": [
        {"diffusivity": d, "boundary_temp": b, "time_steps": 20, "spatial_steps": 31, "length": x}
        for d, b, x in [
            (0.01, 0.0, 1.0), (0.02, 10.0, 0.5), (1.0, 300.0, 2.0), (1e-6, 100.0, 1.0), (0.3, -20.0, 0.1),
            (5.0, 0.0, 9.0), (0.07, 99.0, 1.0),
        ]
    ],
    "live": [
        {"scenario": name, "cells": [64], "until_s": until, "params": params}
        for name, until, params in [
            ("flow", 20.0, {}), ("flow", 20.0, {"heat_flux": 1e4}), ("flow", 40.0, {}), ("flow", 20.0, {"length": 0.1}),
            ("overload", 200.0, {}), ("overload", 150.0, {"power": 2e4}), ("cooling-failure", 100.0, {}),
        ]
    ],
    "cooling-cup": [{"start": 90.0 - 10 * n, "end_time": 60.0 * (n + 1)} for n in range(7)],
    "noop": [{"payload_bytes": 64, "duration_s": d / 1e4} for d in range(7)],
}  # fmt: skip


@pytest.fixture(params=sorted(SIMULATIONS))
def simulation(request):
    return SIMULATIONS[request.param]


def points_of(simulation):
    return [simulation.params_model.model_validate(point) for point in POINTS[simulation.name]]


def keep_all(_fraction):
    return frozenset()


def test_every_simulation_has_points_here(simulation):
    assert len(POINTS[simulation.name]) == 7


def test_every_field_has_unit_description_default_and_limits(simulation):
    schema = simulation.params_model.model_json_schema()

    assert schema["additionalProperties"] is False
    for name, field in schema["properties"].items():
        assert field["description"], name
        assert field["unit"], name
        if name not in schema.get("required", []):
            assert "default" in field, name
        if field.get("type") in {"number", "integer"}:
            assert {"minimum", "maximum"} <= set(field), name
        elif field.get("type") == "string":
            assert "enum" in field or "maxLength" in field, name


def test_defaults_are_valid_by_the_model_and_by_its_json_schema(simulation):
    schema = simulation.params_model.model_json_schema()
    params = points_of(simulation)[0]
    document = json.loads(params.model_dump_json())

    jsonschema.validate(document, schema)
    assert simulation.params_model.model_validate(document) == params
    if not schema.get("required"):
        assert simulation.params_model.model_validate(simulation.params_model().model_dump())


def test_batches_of_every_width_and_order_give_each_point_the_same_bytes(simulation):
    points = points_of(simulation)
    assert len({simulation.batch_key(point) for point in points}) == 1
    alone = [simulation.solve([point], keep_all) for point in points]
    assert all(batch.outcomes[0].reason is Reason.OK for batch in alone)
    orders = [*itertools.permutations(range(7), 2), *itertools.islice(itertools.permutations(range(7)), 0, 5040, 1009)]
    for order in orders:
        batch = simulation.solve([points[index] for index in order], keep_all)
        assert len(batch.records) == len(batch.outcomes) == len(order)
        for place, index in enumerate(order):
            assert batch.records[place].tobytes() == alone[index].records[0].tobytes()
            assert batch.outcomes[place] == alone[index].outcomes[0]


def test_outcomes_are_plain_values_and_their_audits_passed(simulation):
    (outcome,) = simulation.solve(points_of(simulation)[:1], keep_all).outcomes

    assert outcome.reason is Reason.OK
    json.dumps([dict(outcome.metrics), list(outcome.audits)], allow_nan=False)
    assert all(type(value) in {float, int, str, bool, type(None)} for value in outcome.metrics.values())
    assert all(audit["verdict"] != "failed" for audit in outcome.audits)


def test_render_makes_every_file_and_only_what_was_asked_for(simulation, tmp_path):
    point = points_of(simulation)[1]
    solved = simulation.solve([point], keep_all)
    for number, names in enumerate((simulation.files, *((name,) for name in simulation.files))):
        folder = tmp_path / str(number)
        folder.mkdir()
        sha256 = simulation.render(names, point, solved.records[0], folder)

        assert sorted(path.name for path in folder.iterdir()) == sorted(names)
        assert all(path.stat().st_size > 0 for path in folder.iterdir())
        assert sha256 in {None, solved.outcomes[0].field_sha256}


def test_fields_are_in_the_record_as_they_are_described(simulation, tmp_path):
    """Finite in the body, of rising times, with axes in their order; and described without their values."""
    if not isinstance(simulation, DescribesFields):
        return
    point = points_of(simulation)[1]
    solved = simulation.solve([point], keep_all)
    records = solved.records if isinstance(solved.records, np.ndarray) else np.array([solved.records[0]])
    path = tmp_path / "pack.npy"
    (entry,) = write_pack(path, "pack.npy", records)
    store = MemoryArtifactStore()
    store.put("pack.npy", io.BytesIO(path.read_bytes()))
    with open_record(store, entry) as record:
        fields = simulation.describe_fields(point, record)
        assert len({field.name for field in fields}) == len(fields) >= 1
        for field in fields:
            require_readable(record, field)
            times = [part.time_s for part in field.parts]
            assert times == sorted(set(times))
            assert all(math.isfinite(time) for time in times)
            assert [axis.name for axis in field.axes] == list("xyz"[: len(field.axes)])
            assert re.fullmatch("[a-z][a-z0-9_-]{0,63}", field.name)
            figures = measure_field(record, field)
            assert figures.low <= figures.high


def test_rendered_files_are_well_formed(simulation, tmp_path):
    point = points_of(simulation)[1]
    solved = simulation.solve([point], keep_all)
    sha256 = simulation.render(simulation.files, point, solved.records[0], tmp_path)

    assert json.loads((tmp_path / "meta.json").read_text())["numerics_version"] == simulation.numerics_version
    if "temperature_field.npy" in simulation.files:
        field = np.load(tmp_path / "temperature_field.npy", allow_pickle=False)
        lines = (tmp_path / "result.csv").read_text().splitlines()
        assert field.dtype == np.float64
        assert len(lines) == len(field) + 1
        assert len({line.count(",") for line in lines}) == 1
        assert sha256 == solved.outcomes[0].field_sha256
        assert (tmp_path / "simulation_results.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_progress_is_told_in_order_and_ends_at_one(simulation):
    told = []
    simulation.solve(points_of(simulation)[:3], lambda fraction: told.append(fraction) or frozenset())

    assert told == sorted(told)
    assert told[-1] == 1.0
    assert told[0] >= 0.0


def test_a_point_left_out_is_cancelled_or_was_already_done_and_harms_no_neighbour(simulation):
    points = points_of(simulation)[1:4]
    alone = simulation.solve(points[:1], keep_all)
    batch = simulation.solve([points[1], points[2], points[0]], lambda _fraction: frozenset({1}))

    assert batch.outcomes[1].reason in {Reason.OK, Reason.CANCELLED_BY_USER}
    assert batch.records[2].tobytes() == alone.records[0].tobytes()


def test_estimate_is_finite_positive_and_grows_with_nothing_allocated(simulation):
    price = simulation.estimate(points_of(simulation)[0])

    assert price.memory_bytes > 0
    assert price.output_bytes > 0
    assert 0 < price.work_s < 10
    assert math.isfinite(price.cell_steps)


def test_numerics_version_is_short_and_stable(simulation):
    assert simulation.numerics_version == load_all().get(simulation.name).numerics_version
    assert 8 <= len(simulation.numerics_version) <= 64
    assert simulation.numerics_version.isalnum()


HOSTILE = {
    "not a number": math.nan,
    "infinite": math.inf,
    "minus infinite": -math.inf,
    "too low": -1e300,
    "too high": 1e300,
    "10,000 digits": 10**10_000,
    "minus 10,000 digits": -(10**10_000),
    "digits as text": "1",
    "NUL": "\0",
    "lone surrogate": "\ud800",
    "empty text": "",
    "true": True,
    "false": False,
    "null": None,
    "list": [1.0],
    "empty object": {},
    "nested": {"a": {"a": {"a": {}}}},
    "bytes": b"1",
    "complex": 1j,
}


# Odd, and still what the field takes.
HARMLESS = {
    ("live", "params"): ("empty object", "nested"),  # those of a scenario, which are checked when the point is priced
    ("live", "cells"): ("list",),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_values_of_every_field_are_refused_and_never_crash(simulation, kind):
    base, value = POINTS[simulation.name][0], HOSTILE[kind]
    for name, field in simulation.params_model.model_fields.items():
        if value is None and not field.is_required() and field.default is None:
            continue  # where nothing is the default, nothing is a value
        if kind in HARMLESS.get((simulation.name, name), ()):
            continue
        with pytest.raises(ValidationError) as caught:
            simulation.params_model.model_validate({**base, name: value})
        for error in caught.value.errors():
            assert error["loc"][0] == name
            assert error["msg"]


@given(document=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_anything_that_is_not_an_object_is_refused(document):
    for simulation in SIMULATIONS.values():
        with pytest.raises(ValidationError):
            simulation.params_model.model_validate(document)


def test_unknown_fields_are_refused(simulation):
    for name in ("lenght", "__class__", "model_config", "\0"):
        with pytest.raises(ValidationError):
            simulation.params_model.model_validate({**POINTS[simulation.name][0], name: 1.0})


def test_whole_numbers_may_be_written_as_floats_and_broken_ones_may_not():
    for name, field in (("heat-rod", "time_steps"), ("noop", "payload_bytes")):
        model = SIMULATIONS[name].params_model
        assert model.model_validate({field: 100.0}) == model.model_validate({field: 100})
        with pytest.raises(ValidationError):
            model.model_validate({field: 100.5})
