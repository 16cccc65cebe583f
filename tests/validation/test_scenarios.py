"""Scenarios take the courses that their closed forms say, on two grids, through a session."""

from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from grid.engine.live.session import Session
from grid.plugins.registry import load_registry
from grid.plugins.scenario_run import ScenarioRun, run_scenario

SCENARIOS = dict(load_registry().scenarios())
GRIDS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "burst": ((96, 96), (128, 128)),
    "flow": ((64,), (12, 8)),
    "overload": ((64,), (8, 16)),
    "burst-train": ((32, 32), (48, 40)),
    "hot-spot-drift": ((72, 72), (96, 96)),
    "cooling-failure": ((64,), (8, 16)),
    "cascade": ((16, 16), (24, 24)),
    "thermal-cycling": ((8, 8), (16, 8)),
}
LONG = {"burst": (256, 256), "hot-spot-drift": (256, 256), "cascade": (64, 64), "flow": (16, 16, 16)}
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("flow", {"heat_transfer_coefficient": 2000.0, "length": 0.1}),
    ("overload", {"nominal_power": 0.0, "power": 30e3, "heat_transfer_coefficient": 150.0}),
    ("cooling-failure", {"remaining": 0.0}),
    ("cascade", {"capacity": 1.4, "regions": 5}),
    ("thermal-cycling", {"life": 9.5, "temperature_range": 60.0, "exponent": -0.2}),
]


@cache
def run(name: str, cells: tuple[int, ...]) -> ScenarioRun:
    """The run of a scenario with its defaults; tests of one grid share it."""
    scenario = SCENARIOS[name]
    return run_scenario(scenario, scenario.params_model(), cells)


def list_misses(done: ScenarioRun) -> list[str]:
    """What was expected and did not happen."""
    return [
        f"{each.quantity} ({each.measure}) at {each.time_s:g} s {each.at or ''}: {found!r}, expected {each.value!r} "
        f"within {each.tolerance:.3g}; {each.source}"
        for each, found in done.found
        if not each.is_met(found)
    ]


@pytest.mark.parametrize(("name", "cells"), [(name, cells) for name, grids in GRIDS.items() for cells in grids])
def test_a_scenario_takes_the_course_that_its_closed_forms_say(name: str, cells: tuple[int, ...]) -> None:
    assert list_misses(run(name, cells)) == []


@pytest.mark.physics
@pytest.mark.parametrize(("name", "cells"), LONG.items())
def test_a_scenario_takes_its_course_on_a_fine_grid(name: str, cells: tuple[int, ...]) -> None:
    scenario = SCENARIOS[name]
    assert list_misses(run_scenario(scenario, scenario.params_model(), cells)) == []


@pytest.mark.parametrize(("name", "given"), OTHERS)
def test_a_scenario_with_other_parameters_takes_another_course(name: str, given: dict[str, Any]) -> None:
    scenario = SCENARIOS[name]
    params = scenario.params_model(**given)
    assert scenario.expected(params) != scenario.expected(scenario.params_model())
    cells = (10, 10) if name == "cascade" else GRIDS[name][0]
    assert list_misses(run_scenario(scenario, params, cells)) == []


@pytest.mark.parametrize("name", GRIDS)
def test_heat_is_conserved_and_a_switch_changes_none_of_it(name: str) -> None:
    done = run(name, GRIDS[name][0])
    assert max(summary.balance_residual for summary in done.summaries) <= 1e-10
    assert all(switch.energy_change <= 1e-12 for switch in done.session.state.model.switches)


@pytest.mark.parametrize("name", ["burst", "burst-train", "hot-spot-drift"])
def test_every_burst_finds_the_diffusive_model_and_switches_keep_the_dwell(name: str) -> None:
    done = run(name, GRIDS[name][0])
    session, scenario = done.session, SCENARIOS[name]
    models = [summary.model for summary in done.summaries]  # of the tick that ends there
    for event in scenario.events(scenario.params_model()):
        assert models[round(event["at_s"] / session.clock.tick) + 1] == "diffusive"
    switches = session.state.model.switches
    assert [switch.model for switch in switches[:1]] == ["diffusive"]
    for before, after in pairwise(switches):
        assert before.model != after.model
        if after.model == "lumped":
            assert after.tick - before.tick >= session.parts.dwell


def test_each_burst_of_a_train_switches_twice() -> None:
    done = run("burst-train", GRIDS["burst-train"][0])
    scenario = SCENARIOS["burst-train"]
    bursts = len(scenario.events(scenario.params_model()))
    assert len(done.session.state.model.switches) == 2 * bursts
    assert done.session.state.model.lumped_ticks > 0.2 * done.session.tick


@pytest.mark.parametrize("capacity", [1.15, 1.4])
def test_the_loads_of_a_cascade_add_up_at_every_tick(capacity: float) -> None:
    scenario = SCENARIOS["cascade"]
    params = scenario.params_model(capacity=capacity, regions=4)
    total = 16 * 100.0
    sums, survivors = [], []

    def note(session: Session, _changes: object) -> None:
        structure = session.state.structure
        assert structure is not None
        assert structure.loads is not None
        sums.append(float(structure.loads.loads.sum()) + structure.loads.shed)
        survivors.append(int((structure.loads.loads > 0.0).sum()) + session.summary.failed_regions)

    run_scenario(scenario, params, (8, 8), on_tick=note)
    assert max(abs(found - total) for found in sums) <= 1e-12 * total
    assert set(survivors) == {16}


def test_an_alert_of_a_scenario_fires_before_what_it_warns_of() -> None:
    warned = run("cooling-failure", GRIDS["cooling-failure"][0]).fired
    assert warned["warming"] < warned["over-temperature"]
    worn = run("thermal-cycling", GRIDS["thermal-cycling"][0]).fired
    assert worn["half-life"] < worn["cell-failed"]


def test_the_same_scenario_gives_the_same_bytes() -> None:
    scenario = SCENARIOS["burst-train"]
    again = run_scenario(scenario, scenario.params_model(), GRIDS["burst-train"][0])
    assert again.session.hash() == run("burst-train", GRIDS["burst-train"][0]).session.hash()
