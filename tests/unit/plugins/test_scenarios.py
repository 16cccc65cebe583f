"""Scenarios as objects: light, typed, bounded, and nothing that the engine would not take from a user."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from grid.core.errors import ConfigurationError, FieldError, NotFoundError
from grid.engine.live.clock import plan_clock
from grid.engine.live.events import Burst
from grid.engine.live.events_json import read_event
from grid.engine.live.rules import Rule
from grid.engine.live.scene import Scene
from grid.engine.live.summary import TickSummary
from grid.plugins.builtin.scenarios.bodies import round_tick
from grid.plugins.builtin.scenarios.closed_forms import bessel_k0, find_slowest_root, moving_gaussian
from grid.plugins.registry import Registry, load_registry
from grid.schemas.scenarios import Expectation, Scenario, Timing

SCENARIOS = dict(load_registry().scenarios())
NAMES = (
    "burst",
    "flow",
    "overload",
    "burst-train",
    "hot-spot-drift",
    "cooling-failure",
    "cascade",
    "thermal-cycling",
)


def list_params(scenario: Scenario) -> list[BaseModel]:
    """The defaults, and each parameter at either of its limits where the others allow it."""
    found = [scenario.params_model()]
    for name, field in scenario.params_model.model_fields.items():
        for limit in field.metadata:
            for side in ("ge", "le"):
                value = getattr(limit, side, None)
                if value is not None:
                    try:
                        found.append(scenario.params_model(**{name: value}))
                    except ValidationError:
                        continue  # refused together with the other defaults
    return found


def fit_cells(scenario: Scenario, params: BaseModel) -> tuple[int, ...]:
    """A small grid that suits the parameters."""
    regions = getattr(params, "regions", 1)
    return (8 * regions, 8 * regions) if regions < 8 else (regions, regions)


def test_the_built_in_scenarios_are_there_and_a_stranger_is_not_found() -> None:
    assert tuple(SCENARIOS) == NAMES
    registry = load_registry()
    assert registry.get_scenario("burst").name == "burst"
    with pytest.raises(NotFoundError, match="scenario"):
        registry.get_scenario("heat")


class Stub:
    """As much of a scenario as the registry looks at."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_names_of_scenarios_are_checked_as_those_of_simulations() -> None:
    with pytest.raises(ConfigurationError, match="scenario with the unusable name"):
        Registry([], [Stub("Hot Spot")])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="Two plugins bring a scenario named 'twin'"):
        Registry([], [Stub("twin"), Stub("twin")])  # type: ignore[list-item]
    both = Registry([Stub("twin")], [Stub("twin")])  # type: ignore[list-item]
    assert list(both.simulations()) == list(both.scenarios()) == ["twin"]


def test_describing_a_scenario_imports_no_numerics() -> None:
    code = """
import sys
from grid.plugins.registry import load_registry
for scenario in load_registry().scenarios().values():
    params = scenario.params_model()
    scenario.params_model.model_json_schema()
    scenario.scene(params, scenario.cells), scenario.timing(params), scenario.events(params), scenario.rules(params)
    scenario.expected(params)
print(sorted(set(sys.modules) & {"numpy", "numba", "scipy", "matplotlib"}))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_bounded_have_units_and_refuse_what_they_do_not_know(name: str) -> None:
    model = SCENARIOS[name].params_model
    for field in model.model_json_schema()["properties"].values():
        assert {"default", "description", "minimum", "maximum", "unit"} <= set(field)
        assert field["minimum"] <= field["default"] <= field["maximum"]
    with pytest.raises(ValidationError):
        model(unknown=1.0)
    with pytest.raises(ValidationError):
        model(**dict.fromkeys(model.model_fields, float("nan")))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_parameters_allow_the_engine_reads(name: str) -> None:
    scenario = SCENARIOS[name]
    for params in list_params(scenario):
        raw = scenario.scene(params, fit_cells(scenario, params))
        scene = Scene.from_json(json.loads(json.dumps(raw)))
        timing, events = scenario.timing(params), scenario.events(params)
        assert timing.tick_s > 0.0
        assert 1.0 <= timing.rate <= 60.0
        times = [event["at_s"] for event in events]
        assert times == sorted(times)
        assert 0.0 <= times[-1] < timing.length_s
        assert timing.ticks < 100_000
        plan_clock(scene, timing.tick_s)  # refuses a tick that it could not take
        for event in events[:3]:
            found = read_event(json.loads(json.dumps(event["event"])), scene)
            if isinstance(found, Burst):
                found.check_speed(scene, timing.tick_s)
        names = [Rule.from_json(rule) for rule in scenario.rules(params)]
        assert len({rule.name for rule in names}) == len(names) > 0
        assert {rule.metric for rule in names} <= set(TickSummary._fields)


@pytest.mark.parametrize("name", NAMES)
def test_expectations_lie_within_the_show_and_name_their_equation(name: str) -> None:
    scenario = SCENARIOS[name]
    for params in list_params(scenario):
        timing = scenario.timing(params)
        for each in scenario.expected(params):
            assert 0.0 <= each.from_s <= each.time_s <= timing.ticks * timing.tick_s * (1.0 + 1e-12)
            assert each.source
            assert each.quantity in (*TickSummary._fields, "temperature", "firing")
            assert bool(each.at) == (each.quantity == "temperature")
            assert isinstance(each.value, str) or each.value == each.value
    assert len(scenario.expected(scenario.params_model())) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_default_run_lasts_about_a_minute_of_wall_time(name: str) -> None:
    scenario = SCENARIOS[name]
    timing = scenario.timing(scenario.params_model())
    assert 20.0 <= timing.ticks / timing.rate <= 75.0
    assert 64 <= scenario.cells[0] * scenario.cells[-1] <= 1_048_576
    Scene.from_json(scenario.scene(scenario.params_model(), scenario.cells))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cells", [(), (4, 4), (2048, 1024), (16, 16, 16, 16), (8, -8), (8, True), (100.0, 100)])
def test_a_grid_that_a_scenario_does_not_have_is_refused(name: str, cells: tuple[Any, ...]) -> None:
    scenario = SCENARIOS[name]
    with pytest.raises(FieldError, match="cells"):
        scenario.scene(scenario.params_model(), cells)


def test_the_grid_of_a_cascade_is_a_whole_multiple_of_its_modules() -> None:
    scenario = SCENARIOS["cascade"]
    with pytest.raises(FieldError, match="whole multiple of 8"):
        scenario.scene(scenario.params_model(), (20, 24))


@pytest.mark.parametrize(
    ("compare", "found", "is_met"),
    [
        ("within", 10.9, True),
        ("within", 8.9, False),
        ("at_least", 9.5, True),
        ("at_least", 20.0, True),
        ("at_least", 8.9, False),
        ("at_most", 11.1, False),
        ("at_most", -5.0, True),
        ("within", None, False),
        ("within", float("nan"), False),
    ],
)
def test_an_expectation_is_met_within_its_tolerance(compare: Any, found: float | None, is_met: bool) -> None:
    assert Expectation("mean", 1.0, 10.0, 1.0, "a law", compare=compare).is_met(found) is is_met


def test_a_model_is_met_by_its_name_alone() -> None:
    expected = Expectation("model", 1.0, "lumped", 0.0, "a limit")
    assert expected.is_met("lumped")
    assert not expected.is_met("diffusive")
    assert not expected.is_met(None)


def test_ticks_of_a_show_are_counted_up() -> None:
    assert Timing(0.1, 30.0, 1.0).ticks == 10
    assert Timing(0.1, 30.0, 1.01).ticks == 11


@pytest.mark.parametrize(("longest", "tick"), [(1.0, 1.0), (4.99, 2.0), (5.0, 5.0), (0.0499, 0.02), (730.0, 500.0)])
def test_ticks_have_one_digit(longest: float, tick: float) -> None:
    assert round_tick(longest) == tick


def test_closed_forms_agree_with_scipy() -> None:
    from scipy import special

    for argument in (0.05, 0.3, 1.0, 4.0, 20.0):
        assert bessel_k0(argument) == pytest.approx(float(special.k0(argument)), rel=1e-12)
    for biot_number in (1e-4, 0.5, 3.0, 200.0):
        root = find_slowest_root(biot_number)
        assert 0.0 < root < 1.5707963267948966
        assert root * special.tandg(root * 57.29577951308232) == pytest.approx(biot_number, rel=1e-9)


def test_a_moving_gaussian_is_the_mean_of_moving_points() -> None:
    """Rosenthal's solution for a point, averaged over the Gaussian by quadrature in the plane."""
    import numpy as np

    common = {
        "power": 500.0, "speed": 5e-4, "thickness": 0.01, "conductivity": 50.0, "diffusivity": 1.364e-5, "loss": 200.0,
    }  # fmt: skip
    radius = 0.015
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    weights = weights / weights.sum()
    for along, across in ((-0.07, 0.0), (0.0, 0.09), (-0.05, 0.06)):
        mean = sum(
            float(a * b) * moving_gaussian(along - radius * float(x), across - radius * float(y), radius=0.0, **common)
            for x, a in zip(nodes, weights, strict=True)
            for y, b in zip(nodes, weights, strict=True)
        )
        found = moving_gaussian(along, across, radius=radius, **common)
        assert found == pytest.approx(mean, rel=2e-3)
