"""Simulations over HTTP: their schemas say everything that a form or a command line needs."""

import jsonschema
import pytest

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


@pytest.mark.parametrize("name", ["teapot", "HEAT-ROD", "..%2F..", "a" * 64])
def test_an_unknown_simulation_is_not_found(alice, name):
    assert alice.get(f"{SIMULATIONS}/{name}").status_code == 404
