"""States that a run knows: its own, and none that was given or changed on the way."""

from dataclasses import replace

import numpy as np
import pytest

from grid.engine import HeatProblem, prepare
from grid.engine.methods.run_marks import RunMarks
from grid.engine.run.time_loop import make_start

CASE = {
    "domain": {"size": [1.0]},
    "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "initial": {"expression": "x"},
    "resolution": {"cells": [5], "end_time": 2.0},
}


@pytest.fixture
def plan():
    return prepare(HeatProblem.from_case(CASE), method="krylov")


def test_a_run_knows_its_start_and_the_fields_that_it_marked(plan):
    marks, start = RunMarks(plan.space, 2.0), make_start(plan)
    assert marks.is_known(start)
    assert marks.is_known(replace(start, temperature=start.temperature.copy()))
    field = start.temperature + 1.0
    state = replace(start, time=1.0, temperature=field, controller=marks.make(field, 1.0))
    assert marks.is_known(state)
    assert RunMarks(plan.space, 2.0).is_known(replace(state, temperature=field.copy()))  # as from a checkpoint


def test_it_knows_none_that_was_changed_or_given(plan):
    marks, start = RunMarks(plan.space, 2.0), make_start(plan)
    changed = start.temperature.copy()
    changed[2] = np.nextafter(changed[2], 1.0)
    assert not marks.is_known(replace(start, temperature=changed))
    state = replace(start, time=1.0, controller=marks.make(start.temperature, 1.0))
    assert not marks.is_known(replace(state, temperature=changed))
    assert not marks.is_known(replace(state, controller=()))
    assert marks.make(changed, 2.0) == ()  # no step follows
