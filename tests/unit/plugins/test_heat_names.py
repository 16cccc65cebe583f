"""Titles and units of what stands in a problem of `heat`."""

import pytest

from grid.plugins.builtin.guides import HEAT
from grid.plugins.builtin.heat_names import describe_parameter, find_metric_unit
from grid.schemas.paths import flatten, split_path

PROBLEM = {
    "dimension": 2, "steady": False, "temperature_unit": "degC",
    "domain": {"coordinates": "cartesian", "size": [1.0, 2.0], "section": 2.0},
    "material": [
        {"where": {"expression": "x < 1"}, "conductivity": [1.0, 2.0], "solid": {"density": 900.0}},
        {"where": {"expression": "x >= 1"}, "conductivity": 3.0, "latent_heat": 2e5},
    ],
    "boundaries": {
        "x_min": {"type": "temperature", "value": {"expression": "20 + t"}},
        "y_max": {"type": "flux", "value": 5.0},
        "internal": {"type": "convection", "coefficient": 5.0, "ambient": 20.0},
    },
    "contacts": [{"axis": "x", "position": 1.0, "conductance": 500.0}],
    "adaptive": {"measure": "surface_stress", "threshold": 1e6, "face": "x_min"},
    "initial": 20.0, "resolution": {"cells": [4, 4], "steps": 10, "end_time": 1.0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "title", "unit"),
    [
        ("domain.size[1]", "Size along y", "m"),
        ("domain.size", "Size", "m"),
        ("domain.section", "Section", "m2"),
        ("material[0].conductivity[1]", "Conductivity along y of material 1", "W/(m K)"),
        ("material[1].conductivity", "Conductivity of material 2", "W/(m K)"),
        ("material[0].solid.density", "Density, solid of material 1", "kg/m3"),
        ("material[0].where.expression", "Place of material 1", "1"),
        ("material.specific_heat", "Specific heat", "J/(kg K)"),
        ("boundaries.x_min.value.expression", "Temperature at low x", "degC"),
        ("boundaries.y_max.value", "Heat flux at high y", "W/m2"),
        ("boundaries.internal.ambient", "Ambient temperature at inner faces", "degC"),
        ("contacts[0].conductance", "Conductance of contact 1", "W/(m2 K)"),
        ("adaptive.threshold", "Threshold of the model", "Pa"),
        ("initial", "Temperature at the start", "degC"),
        ("resolution.cells[0]", "Cells along x", "1"),
    ],
)
def test_a_part_of_a_problem_is_called_by_what_it_is(path, title, unit):
    found = describe_parameter(["problem", *split_path(path)], {"problem": PROBLEM})

    assert found is not None
    assert (found.title, found.unit) == (title, unit)


def test_what_is_no_part_of_a_problem_is_not_named():
    for path in (["method"], ["problem", "nothing"], ["problem", "material", "colour"], ["problem"], []):
        assert describe_parameter(path, {"problem": PROBLEM}) is None
    assert describe_parameter(["problem", "initial"], {"problem": 3}) is None
    assert describe_parameter(["problem", "boundaries", "x_max", "value"], {"problem": PROBLEM}) is None


@pytest.mark.parametrize("example", HEAT.examples, ids=lambda example: example.title)
def test_every_number_of_the_examples_has_a_unit(example):
    for name, value in flatten(example.params):
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert describe_parameter(name.split("."), example.params) is not None, name


def test_units_of_metrics_follow_from_the_problem():
    def find(name, **members):
        return find_metric_unit(name, {"problem": PROBLEM | members})

    assert find("peak_temperature") == "degC"
    assert find("peak_temperature", temperature_unit="relative") == "K"
    assert [find("heat_in", dimension=axes) for axes in (1, 2, 3)] == ["J/m2", "J/m", "J"]
    assert find("heat_in", steady=True) == "W/m"
    assert find("method") is None
    assert find_metric_unit("heat_in", {}) is None
