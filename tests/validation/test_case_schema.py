"""The JSON Schema in the package and the reader accept the same heat cases, field by field and type by type."""

import copy
import json
import runpy
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from grid.core.errors import GridError, UnsupportedError
from grid.engine import HeatProblem, limits
from grid.engine.problem.boundaries import BOUNDARY_TYPES
from grid.engine.problem.case import FIELDS, OTHER_FIELDS, PROSE
from grid.engine.problem.case_phase_change import PHASE_FIELDS
from grid.engine.problem.limit_checks import CAPACITY_LIMITS, ELASTIC_LIMITS

SCHEMA = json.loads((files("grid.engine") / "problem" / "case.schema.json").read_text(encoding="utf-8"))
DEFINITIONS = SCHEMA["$defs"]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def build(**changes):
    """A case with everything that the schema asks for, and most of what it allows."""
    case = {
        "id": "a-case",
        "title": "a title",
        "kind": "diffusion",
        "level": 1,
        "features": ["transient"],
        "source": "none",
        "checked": "not",
        "expected": [{"quantity": "temperature", "at": {"x": 0.5}, "time": 0.1, "value": 1.0, "tolerance": 1.0}],
        "dimension": 2,
        "steady": False,
        "domain": {"coordinates": "cartesian", "size": [1.0, 1.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 300.0,
        "boundaries": {"x_min": {"type": "insulated"}},
        "temperature_unit": "K",
        "resolution": {"cells": [4, 4], "steps": 4, "end_time": 0.1},
    }
    case["expected"][0]["unit"] = "K"
    return case | changes


def face(kind, **fields):
    return {"boundaries": {"x_min": {"type": kind, **fields}}}


def sample(limit):
    """A number within a limit, as most laws would have it."""
    if limit == limits.TEMPERATURE:
        return 300.0
    return 5.0 if limit.maximum > 1.0 else 0.5 if limit.minimum == 0.0 else 5.67e-8


LAWS = {
    kind: {name: sample(limit) for name, limit in law.limits.items()}
    for kind, law in BOUNDARY_TYPES.items()
    if law.limits
}
STEEL = {"young_modulus": 2e11, "poisson_ratio": 0.3, "thermal_expansion": 1e-5, "yield_stress": 2e8}
MATERIAL = {"conductivity": 1.0, "density": 2.0, "specific_heat": 3.0, **STEEL}
ICE = {
    "conductivity": 1.0, "density": 2.0, "specific_heat": 3.0, "melting_temperature": 310.0, "latent_heat": 5.0,
    "solid": {"conductivity": 2.0, "specific_heat": 2.0}, "liquid": {"conductivity": 1.0},
}  # fmt: skip
WHOLE = [  # cases, and the objects in them whose every field is tried
    (build(), ["", "domain", "resolution"]),
    (build(material=MATERIAL), ["material"]),
    (build(kind="extension", material=ICE), ["material", "material.solid"]),
    *((build(**face(kind, **fields)), ["boundaries.x_min"]) for kind, fields in LAWS.items()),
    (
        build(
            domain={"coordinates": "cartesian", "size": [1.0, 1.0], "origin": [0.0, 0.0], "section": 2.0},
            source_term=1.0, guess=1.0, velocity=[0.0, 0.0], breakpoints=[0.05], initial_phase="liquid",
            adaptive={"measure": "hottest_above_mean", "threshold": 1.0, "return_fraction": 0.5, "dwell": 1.0},
        ),
        ["", "domain", "adaptive"],
    ),
    (build(contacts=[{"axis": "x", "position": 0.5, "conductance": 3.0}]), ["contacts.0"]),
    (build(steady=True, pin={"at": {"x": 0.4, "y": 0.4}, "temperature": 0.4}), ["pin", "pin.at"]),
]  # fmt: skip
SAMPLES = [
    1, 0.4, {"expression": "0.4"}, {"expression": 1}, {"table": [[0.0, 0.3], [1.0, 0.4]]}, {"table": []}, "text", True,
    None, [], [0.4, 0.4], ["text"], {}, {"surprise": 1},
]  # fmt: skip
# read as prose, or by a runner of cases: the reader of problems passes them over
UNREAD = {*PROSE, "expected", "kind", "dimension", "plain_second_order_error", "plain_second_order_error_half_grid"}
COMPARED = {  # with other fields: an adaptive case is not steady, phases have one form, a contact is on a face of cells
    "": {"steady"},
    "material.solid": {"conductivity"},
    "contacts.0": {"position"},
}
TIMELESS = {"initial", "guess", "density", "specific_heat", "volumetric_heat_capacity"}  # t has no meaning there


def enter(case, path):
    for step in path.split(".") if path else ():
        case = case[int(step)] if isinstance(case, list) else case[step]
    return case


def reads(case):
    try:
        HeatProblem.from_case(case)
    except UnsupportedError:
        return True
    except GridError:
        return False
    return True


def fields_of(definition, *path):
    for step in path:
        definition = definition[step]
    return set(definition["properties"])


def test_the_schema_names_the_fields_that_the_reader_knows():
    assert fields_of(DEFINITIONS["heat_case"]) == (set(FIELDS) | set(OTHER_FIELDS) | PROSE) - {"schema_version"}
    assert fields_of(DEFINITIONS["material"]) == {
        "where", "conductivity", *CAPACITY_LIMITS, *ELASTIC_LIMITS, *PHASE_FIELDS
    }  # fmt: skip
    assert fields_of(DEFINITIONS["phase_properties"]) == {"conductivity", *CAPACITY_LIMITS}


def test_the_laws_of_the_schema_are_those_of_the_engine():
    """`scripts/case_schema.py` writes them."""
    path = Path(__file__).parents[2] / "scripts" / "case_schema.py"
    assert DEFINITIONS["boundary"] == runpy.run_path(str(path))["make_boundary_schema"]()


@pytest.mark.parametrize("number", range(len(WHOLE)))
def test_a_field_is_accepted_by_both_or_by_neither(number):
    case, parts = WHOLE[number]
    assert VALIDATOR.is_valid({"schema_version": 2, "cases": [case]})
    assert reads(case)
    disagreements = []
    for part in parts:
        for name in sorted(set(enter(case, part)) - UNREAD - COMPARED.get(part, set())):
            for sample in SAMPLES:
                changed = copy.deepcopy(case)
                enter(changed, part)[name] = sample
                if name in TIMELESS and isinstance(sample, dict) and "table" in sample:
                    continue
                by_schema, by_reader = VALIDATOR.is_valid({"schema_version": 2, "cases": [changed]}), reads(changed)
                if by_schema != by_reader:
                    disagreements.append((part, name, sample, by_schema))
        changed = copy.deepcopy(case)
        enter(changed, part)["surprise"] = 1
        assert not VALIDATOR.is_valid({"schema_version": 2, "cases": [changed]})
        assert not reads(changed)
    assert disagreements == [], disagreements
