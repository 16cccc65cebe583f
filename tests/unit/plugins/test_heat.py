"""`heat`: the case format through the service's eyes."""

import copy
import csv
import hashlib
import json
import math

import numpy as np
import pytest
from pydantic import ValidationError

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import HeatProblem, progress, solve
from grid.engine.costs import calibration, calibration_kernels
from grid.engine.methods import METHODS
from grid.plugins.builtin.heat import Heat
from grid.plugins.builtin.heat_params import MAX_DEPTH, HeatParams
from grid.plugins.builtin.heat_problem import find_times, read_problem
from grid.runtime.solving import parse_params
from grid.schemas.jobs import Reason
from grid.services.admission import validate_points

WALL = {
    "dimension": 1,
    "steady": False,
    "domain": {"coordinates": "cartesian", "size": [0.1]},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 460.0},
    "initial": 20.0,
    "boundaries": {"x_min": {"type": "temperature", "value": 100.0}},
    "temperature_unit": "degC",
    "resolution": {"cells": [25], "steps": 50, "end_time": 60.0},
}
PLATE = {
    **WALL,
    "dimension": 2,
    "domain": {"coordinates": "cartesian", "size": [0.1, 0.04]},
    "resolution": {"cells": [10, 6], "steps": 20, "end_time": 60.0},
}
BLOCK = {
    **WALL,
    "dimension": 3,
    "domain": {"coordinates": "cartesian", "size": [0.1, 0.04, 0.02], "origin": [1.0, 2.0, 3.0]},
    "resolution": {"cells": [8, 4, 3], "steps": 10, "end_time": 30.0},
}
STEADY = {
    "boundaries": {"x_min": {"type": "temperature", "value": 1.0}, "x_max": {"type": "temperature", "value": 0.0}},
    "steady": True,
}
heat = Heat()


def keep_all(_fraction):
    return frozenset()


def changed(problem, path, value):
    """Return a copy of the problem with one entry changed; a value of `...` removes it."""
    problem = copy.deepcopy(problem)
    *above, last = path
    place = problem
    for name in above:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return problem


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("material", "conductivity"), -1.0, ("material", "conductivity")),
        (("domain", "size"), [-0.1], ("domain", "size", 0)),
        (("resolution", "cells"), [10**9], ("resolution", "cells")),
        (("boundaries", "x_min", "value"), 1e300, ("boundaries", "x_min", "value")),
        (("boundaries", "x_min", "type"), "frozen", ("boundaries", "x_min", "type")),
        (("initial",), ..., ("initial",)),
        (("initial",), {"expression": "__import__('os')"}, ("initial",)),
        (("material", "density"), "7800", ("material", "density")),
    ],
)
def test_an_invalid_problem_names_the_field_and_its_limit(path, value, place):
    with pytest.raises(ValidationError) as caught:
        HeatParams.model_validate({"problem": changed(WALL, path, value)})

    details = caught.value.errors(include_input=False)
    assert ("problem", *place) in [detail["loc"][: len(place) + 1] for detail in details]
    assert all(detail["msg"] for detail in details)
    assert "__import__" not in str([detail["msg"] for detail in details])


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"note": value}
    return value


@pytest.mark.parametrize(
    "note",
    [
        math.nan, math.inf, "\0", "\ud800", "x" * 50_000, 10**10_000, nested(MAX_DEPTH), nested(50_000), [0] * 100_000,
        {1}, {1: 2},
    ],
    ids=range(11),
)  # fmt: skip
def test_what_no_database_should_keep_is_refused_even_in_prose(note):
    with pytest.raises(ValidationError) as caught:
        HeatParams.model_validate({"problem": {**WALL, "note": note}})

    assert caught.value.errors(include_input=False)[0]["loc"] == ("problem",)


def test_what_this_version_cannot_do_is_valid_and_refused_by_name_when_priced():
    params = HeatParams.model_validate({"problem": {**WALL, "kind": "stress"}})

    with pytest.raises(UnsupportedError, match="thermal stress"):
        heat.estimate(params)


def test_every_method_of_the_engine_can_be_asked_for_by_name():
    names = HeatParams.model_json_schema()["properties"]["method"]["enum"]

    assert names == ["auto", *sorted(method.name for method in METHODS)]
    assert HeatParams.model_validate({"problem": WALL, "method": names[-1]}).method == names[-1]
    with pytest.raises(ValidationError, match="method"):
        HeatParams.model_validate({"problem": WALL, "method": "magic"})


@pytest.fixture
def readings(monkeypatch):
    """Collect the problems that the engine's reader is given."""
    read, seen = HeatProblem.from_case, []

    def from_case(case):
        seen.append(case)
        return read(case)

    monkeypatch.setattr(HeatProblem, "from_case", staticmethod(from_case))
    return seen


def test_each_process_reads_a_problem_once_from_the_request_to_the_result_and_the_files(readings, tmp_path):
    (params,), (stored,) = validate_points(HeatParams, [{"problem": WALL}], root="params")
    heat.estimate(params)
    assert len(readings) == 1  # the server's

    received = parse_params(heat, stored)
    result = heat.solve([received], keep_all)
    assert len(readings) == 2  # the child's that solves

    heat.render(heat.files, parse_params(heat, stored), result.records[0], tmp_path)
    assert len(readings) == 3  # the child's that makes the zip's files
    assert {path.name for path in tmp_path.iterdir()} == set(heat.files)
    assert stored["problem"] == received.problem == WALL


def test_what_the_engine_keeps_about_the_grid_does_not_stay_with_the_parameters():
    halves = [{**WALL["material"], "where": {"expression": text}} for text in ("x < 0.05", "x >= 0.05")]
    params = HeatParams.model_validate({"problem": {**WALL, "material": halves}})
    before = set(vars(params.problem.reading))
    heat.solve([params], keep_all)

    assert set(vars(params.problem.reading)) == before
    assert read_problem(params) is not read_problem(params)
    assert read_problem(params) == read_problem(params)


COOLING = {**WALL, "boundaries": {"x_max": {"type": "convection", "coefficient": 10.0, "ambient": 0.0}}}


@pytest.mark.parametrize("model", ["lumped", "corrected", "auto"])
def test_a_thin_body_may_be_lumped_and_says_how_well(model, tmp_path):
    """tau = rho c L/h; Bi = 0.02, so phi/e = 0.0025 of the initial excess."""
    params = HeatParams(problem=COOLING, model=model, outputs=2)
    result = heat.solve([params], keep_all)
    (outcome,) = result.outcomes
    heat.render(["meta.json"], params, result.records[0], tmp_path)
    plan = json.loads((tmp_path / "meta.json").read_text())["plan"]

    assert outcome.reason is Reason.OK
    assert outcome.metrics["lumped_share"] == pytest.approx(1.0)
    tau = 7800.0 * 460.0 * 0.1 / 10.0
    assert outcome.metrics["mean_temperature"] == pytest.approx(20.0 * math.exp(-60.0 / tau), abs=20.0 * 0.0025)
    assert (plan["model"], plan["certificate"]["name"]) == (model, "C1")
    assert plan["certificate"]["biot_number"] == pytest.approx(0.02)


def test_an_adaptive_problem_is_run_as_it_is_posed_and_tells_its_switches():
    burst = {"table": [[0.0, 0.0], [20.0, 5e5], [25.0, 0.0]], "interpolation": "previous"}
    problem = {
        **COOLING,
        "boundaries": {"x_max": {"type": "flux", "value": burst}},
        "adaptive": {"measure": "hottest_above_mean", "threshold": 10.0},
    }
    (outcome,) = heat.solve([HeatParams(problem=problem, outputs=2)], keep_all).outcomes

    assert outcome.metrics["model"] == "auto"
    assert outcome.metrics["model_switches"] >= 1.0
    assert "diffusive from t = 20 s" in outcome.log


def test_a_thick_body_that_is_lumped_is_rejected():
    thick = changed(COOLING, ("boundaries", "x_max", "coefficient"), 2_000.0)
    (outcome,) = heat.solve([HeatParams(problem=thick, model="lumped", outputs=1)], keep_all).outcomes

    assert outcome.reason is Reason.DIVERGED
    assert "model_error" in outcome.message


def test_a_giant_is_priced_without_being_allocated():
    params = HeatParams(problem=changed(BLOCK, ("resolution", "cells"), [500, 500, 500]), outputs=1, method="implicit")
    price = heat.estimate(params)

    assert price.memory_bytes > 8 * 500**3
    assert price.slot == "large"


@pytest.mark.parametrize("ends", [("x < 0.05", "x > 0.06"), ("x < 0.06", "x > 0.05")], ids=["gap", "overlap"])
def test_materials_with_a_gap_or_in_one_place_are_refused_when_priced(ends):
    layers = [{**WALL["material"], "where": {"expression": text}} for text in ends]
    params = HeatParams.model_validate({"problem": {**WALL, "material": layers}})

    with pytest.raises(FieldError, match=r"^problem\.material: at every cell centre exactly one where is true"):
        heat.estimate(params)


def test_more_steps_than_the_engine_takes_are_refused_when_priced():
    resolution = {"cells": [100_000], "end_time": 1e9}
    params = HeatParams(problem={**WALL, "resolution": resolution}, method="explicit")

    with pytest.raises(FieldError, match=r"^problem\.resolution: at most \d+ steps"):
        heat.estimate(params)


def test_the_final_field_is_that_of_the_engine_and_the_hash_that_of_all_kept_fields(tmp_path):
    params = HeatParams(problem=WALL, outputs=4)
    solved = heat.solve([params], keep_all)
    direct = solve(HeatProblem.from_case(WALL), times=[15.0, 30.0, 45.0, 60.0])
    heat.render(["temperature_field.npy"], params, solved.records[0], tmp_path)
    field = np.load(tmp_path / "temperature_field.npy")

    assert solved.records[0]["final"].tobytes() == direct.final.tobytes()
    assert field.tobytes() == direct.fields.tobytes()
    assert field.shape == (5, 25)
    assert solved.outcomes[0].field_sha256 == hashlib.sha256(direct.fields.tobytes()).hexdigest()


LAYERED = {
    **PLATE,
    "material": {"conductivity": {"expression": "where(x > 0.05, 10, 1)"}, "volumetric_heat_capacity": 1e5},
    "resolution": {"cells": [24, 24], "steps": 5, "end_time": 500.0},
}


def test_a_field_is_made_again_by_the_method_of_its_run_on_a_machine_that_chooses_another(tmp_path):
    params = HeatParams(problem=LAYERED, outputs=2)
    solved = heat.solve([params], keep_all)
    fast = dict.fromkeys(("call", "array", "sparse", "dense"), 0.05)
    calibration.use(calibration.Calibration("another", {**fast, "stencil": 50.0, "memory": 50.0}))
    try:
        other = heat.solve([params], keep_all)
        sha256 = heat.render(["temperature_field.npy"], params, solved.records[0], tmp_path)
    finally:
        calibration.use(None)

    assert other.outcomes[0].metrics["method"] != solved.outcomes[0].metrics["method"]
    assert sha256 == solved.outcomes[0].field_sha256


def test_a_slow_run_is_told_in_the_log_and_leaves_the_record_as_it_is(monkeypatch):
    params = HeatParams(problem=changed(WALL, ("material", "conductivity"), {"expression": "50 + T/10"}))
    quick = heat.solve([params], keep_all)
    monkeypatch.setattr(progress, "TIMES", 0.0)
    monkeypatch.setattr(progress, "LEAST", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    with pytest.warns(progress.SlowRunWarning):
        slow = heat.solve([params], keep_all)

    assert "heat: warning: " in slow.outcomes[0].log
    assert "of the simulated time done" in slow.outcomes[0].log
    assert slow.records[0].tobytes() == quick.records[0].tobytes()


def test_this_machine_is_measured_once(tmp_path, monkeypatch):
    for name, value in (("ROUNDS", 1), ("BEYOND", (24, 24, 24))):
        monkeypatch.setattr(calibration_kernels, name, value)
    monkeypatch.setenv(calibration.VARIABLE, str(tmp_path / "kept"))
    assert heat.needs_calibration()
    heat.calibrate()

    assert not heat.needs_calibration()
    assert calibration.current() is not calibration.REFERENCE


def test_the_last_kept_time_is_the_end_to_the_last_bit():
    for outputs in range(1, 60):
        params = HeatParams(problem=changed(WALL, ("resolution", "end_time"), 0.7), outputs=outputs)
        times = find_times(params, read_problem(params))

        assert times[-1] == 0.7
        assert len(times) == outputs
        assert times == sorted(set(times))


@pytest.mark.parametrize("problem", [WALL, PLATE, BLOCK], ids=["1D", "2D", "3D"])
@pytest.mark.parametrize("change", [{}, STEADY], ids=["transient", "steady"])
def test_every_kind_of_problem_is_solved_and_all_files_are_made(problem, change, tmp_path):
    problem = {**problem, **change}
    params = HeatParams(problem=problem, outputs=3)
    solved = heat.solve([params], keep_all)
    sha256 = heat.render(heat.files, params, solved.records[0], tmp_path)
    field = np.load(tmp_path / "temperature_field.npy")
    meta = json.loads((tmp_path / "meta.json").read_text())
    with (tmp_path / "result.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)

    assert solved.outcomes[0].reason is Reason.OK
    assert sha256 == solved.outcomes[0].field_sha256
    assert field.shape == (1 if change else 4, *problem["resolution"]["cells"])
    assert header == ["time_s", "mean_temperature_degC", "max_temperature_degC", "min_temperature_degC"]
    assert [row[0] for row in rows] == ([""] if change else ["0.0", "10.0", "20.0", "30.0"] if problem is BLOCK
                                        else [row[0] for row in rows])  # fmt: skip
    assert [float(row[2]) for row in rows] == [float(entry.max()) for entry in field]
    assert meta["grid"]["cells"] == problem["resolution"]["cells"]
    assert meta["audits"]
    assert (tmp_path / "simulation_results.png").read_bytes().startswith(b"\x89PNG")


def test_a_steady_wall_between_two_temperatures_is_a_straight_line():
    solved = heat.solve([HeatParams(problem={**WALL, **STEADY})], keep_all)

    assert solved.records[0]["final"] == pytest.approx(1 - (np.arange(25) + 0.5) / 25, abs=1e-12)


def test_problems_of_several_grids_go_together_and_each_is_the_run_alone():
    fine = changed(WALL, ("resolution", "cells"), [40])
    points = [HeatParams(problem=problem, outputs=2) for problem in (WALL, fine, WALL)]
    assert len({heat.batch_key(point) for point in points}) == 1

    together = heat.solve(points, keep_all)

    for point, record in zip(points, together.records, strict=True):
        assert record.tobytes() == heat.solve([point], keep_all).records[0].tobytes()
    assert together.records[0]["final"].shape != together.records[1]["final"].shape


def test_one_point_that_cannot_be_solved_leaves_its_neighbours_alone():
    """Only the grid can tell that this conductivity is negative somewhere."""
    negative = changed(WALL, ("material", "conductivity"), {"expression": "0.05 - x"})
    points = [HeatParams(problem=problem, outputs=2) for problem in (WALL, negative, WALL)]
    solved = heat.solve(points, keep_all)

    assert [outcome.reason for outcome in solved.outcomes] == [Reason.OK, Reason.NONZERO_EXIT, Reason.OK]
    assert "conductivity" in solved.outcomes[1].message
    assert solved.records[0].tobytes() == solved.records[2].tobytes()
    assert not any(solved.records[1].tobytes())


def test_a_body_that_nothing_holds_has_no_steady_state_and_says_so():
    loose = {**WALL, "steady": True, "boundaries": {}}
    (outcome,) = heat.solve([HeatParams(problem=loose)], keep_all).outcomes
    assert outcome.reason is Reason.DIVERGED
    assert outcome.message


def test_a_point_that_is_left_out_stops_on_the_way():
    seen = []

    def progress(fraction):
        seen.append(fraction)
        return frozenset({0}) if fraction > 0.25 else frozenset()

    solved = heat.solve([HeatParams(problem=WALL), HeatParams(problem=WALL)], progress)

    assert [outcome.reason for outcome in solved.outcomes] == [Reason.CANCELLED_BY_USER, Reason.OK]
    assert seen == sorted(seen)


def test_a_failed_audit_rejects_the_result(monkeypatch):
    """An exit is not a verdict: with a limit that nothing can meet, the run ends and is refused."""
    monkeypatch.setattr("grid.engine.results.audits.ENERGY_LIMIT", -1.0)
    (outcome,) = heat.solve([HeatParams(problem=WALL)], keep_all).outcomes

    assert outcome.reason is Reason.DIVERGED
    assert "energy_balance" in outcome.message
    assert outcome.field_sha256 is None


def test_warm_up_runs():
    heat.warm_up()


def test_warnings_of_the_grid_are_in_the_log_and_in_the_meta_data(tmp_path):
    """A layer of 1 mm in cells of 4 mm."""
    layer = {**WALL["material"], "conductivity": 0.5}
    materials = [
        {**WALL["material"], "where": {"expression": "(x < 0.05) | (x > 0.051)"}},
        {**layer, "where": {"expression": "(x >= 0.05) & (x <= 0.051)"}},
    ]
    params = HeatParams(problem={**WALL, "material": materials})
    result = heat.solve([params], keep_all)
    heat.render(("meta.json",), params, result.records[0], tmp_path)

    [warning] = json.loads((tmp_path / "meta.json").read_text())["plan"]["warnings"]
    assert "0.001 m thick along x" in warning
    assert f"heat: warning: {warning}\n" in result.outcomes[0].log
