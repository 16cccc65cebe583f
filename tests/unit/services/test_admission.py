"""Admission: a simulation's own refusals name the point, and no estimate that is not a number gets through."""

from dataclasses import replace

import pytest
from pydantic import BaseModel, ConfigDict, Field

from grid.core.errors import AdmissionError, FieldError, InvalidFieldsError, UnsupportedError
from grid.schemas.parameter_errors import find_unit
from grid.schemas.simulations import Estimate
from grid.services.admission import JobLimits, admit_points, hash_spec

LIMITS = JobLimits(memory_bytes=1e6, output_bytes=1e6, cell_steps=1e6)
CHEAP = Estimate(memory_bytes=10, cell_steps=10.0, output_bytes=10, work_s=0.1)


class Inner(BaseModel):
    size: list[float] = Field(json_schema_extra={"unit": "m"})


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    value: float = Field(0.0, ge=0, json_schema_extra={"unit": "K"})
    inner: Inner | None = None
    body: Inner = Inner(size=[1.0])


class Refusing:
    """A simulation whose estimate does as it is told."""

    params_model = Outer
    answer: object = CHEAP

    def estimate(self, params):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def batch_key(self, params):
        return "key"


def admit(answer, points=({},), root="sweep"):
    simulation = Refusing()
    simulation.answer = answer
    return admit_points(simulation, list(points), LIMITS, runs="refusing", root=root)


def test_an_error_of_the_simulation_names_the_point():
    with pytest.raises(InvalidFieldsError) as caught:
        admit(FieldError("problem.cells", "at most 10"))
    assert [error.field for error in caught.value.errors] == ["sweep[0].problem.cells"]

    with pytest.raises(InvalidFieldsError) as caught:
        admit(InvalidFieldsError((FieldError("a", "x"), FieldError("b", "y"))), root="params")
    assert [error.field for error in caught.value.errors] == ["params.a", "params.b"]

    with pytest.raises(AdmissionError, match=r"work of sweep\[0\]"):
        admit(AdmissionError("work", 2.0, 1.0, "s"))
    with pytest.raises(UnsupportedError):
        admit(UnsupportedError("radiation"))


@pytest.mark.parametrize("member", ["memory_bytes", "cell_steps", "output_bytes"])
@pytest.mark.parametrize("value", [1e6 + 1, float("inf"), float("nan")])
def test_each_estimate_has_its_limit(member, value):
    with pytest.raises(AdmissionError):
        admit(replace(CHEAP, **{member: value}))
    assert len(admit(replace(CHEAP, **{member: 1e6}))) == 1


def test_units_follow_the_path_and_stop_where_the_schema_does():
    assert find_unit(Outer, ["value"]) == "K"
    assert find_unit(Outer, ["body", "size"]) == "m"
    assert find_unit(Outer, ["body", "size", 3]) == "m"
    assert find_unit(Outer, ["body", "size", "deeper"]) is None
    assert find_unit(Outer, ["unknown"]) is None
    assert find_unit(Outer, []) is None


def test_errors_name_units_at_any_depth():
    with pytest.raises(InvalidFieldsError) as caught:
        admit(CHEAP, [{"value": -1.0}, {"body": {"size": [1.0, "x"]}}])

    assert [(error.field, error.unit) for error in caught.value.errors] == [
        ("sweep[0].value", "K"),
        ("sweep[1].body.size[1]", "m"),
    ]


def test_equal_work_has_equal_hashes_and_other_work_others():
    assert hash_spec("a", {"x": 1.0, "y": 2}) == hash_spec("a", {"y": 2, "x": 1.0})
    assert len({hash_spec("a", {"x": 1.0}), hash_spec("b", {"x": 1.0}), hash_spec("a", {"x": 2.0})}) == 3
