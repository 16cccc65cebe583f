"""Simulations over HTTP: their schemas say everything that a form or a command line needs."""

import jsonschema
import pytest
from tests.support.solved_jobs import BLOCK, MASKED, PLATE, STEADY, WALL

SIMULATIONS = "/api/v1/simulations"


def test_a_stranger_gets_nothing(anonymous):
    assert anonymous.get(SIMULATIONS).status_code == 401
    assert anonymous.get(f"{SIMULATIONS}/heat-rod").status_code == 401


def test_the_built_in_simulations_are_listed(alice):
    items = alice.get(SIMULATIONS).json()["items"]

    assert {"heat-rod", "noop"} <= {item["name"] for item in items}
    for item in items:
        assert alice.get(item["link"]).json()["name"] == item["name"]


def test_heat_rod_shows_its_promised_parameters_with_units_limits_and_defaults(alice):
    simulation = alice.get(f"{SIMULATIONS}/heat-rod").json()

    defaults = {"length": 1.0, "time_steps": 100, "spatial_steps": 101, "diffusivity": 0.01, "initial_temp": 100.0}
    assert simulation["defaults"].items() >= defaults.items()
    assert simulation["parameters"]["properties"]["length"]["unit"] == "m"
    assert set(simulation["files"]) == {"result.csv", "meta.json", "simulation_results.png", "temperature_field.npy"}


def test_a_schema_takes_its_own_defaults_and_no_other_field(alice):
    simulation = alice.get(f"{SIMULATIONS}/heat-rod").json()

    jsonschema.Draft202012Validator.check_schema(simulation["parameters"])
    jsonschema.validate(simulation["defaults"], simulation["parameters"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**simulation["defaults"], "bogus": 1}, simulation["parameters"])


def test_metrics_fields_and_examples_are_explained(alice):
    rod = alice.get(f"{SIMULATIONS}/heat-rod").json()

    error = {"name": "largest_error", "title": "Largest error, over the span", "unit": "1", "better": "low"}
    assert error in rod["metrics"]
    assert rod["fields"] == [{"name": "temperature", "title": "Temperature", "unit": "degC", "map": "cividis"}]
    for example in rod["examples"]:
        jsonschema.validate(example["params"], rod["parameters"])
    length = rod["parameters"]["properties"]["length"]
    assert (length["title"], length["unit"], length["scale"]) == ("Length", "m", "log")


def test_the_schema_of_a_heat_problem_takes_what_heat_takes(alice, anonymous):
    heat = alice.get(f"{SIMULATIONS}/heat").json()
    address = heat["parameters"]["properties"]["problem"]["schema"]

    answer = alice.get(address)

    assert anonymous.get(address).status_code == 401
    assert answer.headers["content-type"] == "application/schema+json"
    schema = answer.json()
    assert next(iter(schema["$defs"])) == "problem"
    assert {"material", "value", "boundary", "lumped_body"} <= set(schema["$defs"])
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    problems = [example["params"]["problem"] for example in heat["examples"]] + [PLATE, MASKED, BLOCK, WALL, STEADY]
    for problem in problems:
        validator.validate(problem)
    wrong = [{**PLATE, "material": {"conductivity": []}}, {**PLATE, "bogus": 1}, {**PLATE, "dimension": 4}]
    assert not any(validator.is_valid(problem) for problem in wrong)
    tag = answer.headers["etag"]
    assert alice.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert alice.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["teapot", "HEAT-ROD", "..%2F..", "a" * 64])
def test_an_unknown_simulation_is_not_found(alice, name):
    assert alice.get(f"{SIMULATIONS}/{name}").status_code == 404
