"""The simulations and scenarios that come with Grid, brought through the hook that every plugin uses."""

from grid.plugins.builtin.heat import Heat
from grid.plugins.builtin.live import Live
from grid.plugins.builtin.noop import Noop
from grid.plugins.builtin.notifiers import LogNotifier, WebhookNotifier
from grid.plugins.builtin.rod import HeatRod
from grid.plugins.builtin.scenarios import (
    BurstScenario,
    BurstTrainScenario,
    CascadeScenario,
    CoolingFailureScenario,
    FlowScenario,
    HotSpotDriftScenario,
    OverloadScenario,
    ThermalCyclingScenario,
)
from grid.plugins.hooks import hookimpl
from grid.schemas.alerts import Notifier
from grid.schemas.scenarios import Scenario
from grid.schemas.simulations import Simulation


@hookimpl
def grid_simulations() -> list[Simulation]:
    """Return the built-in simulations, the most used first."""
    return [HeatRod(), Heat(), Live(grid_scenarios()), Noop()]


@hookimpl
def grid_scenarios() -> list[Scenario]:
    """Return the built-in scenarios, from the simplest to those with several effects."""
    return [
        BurstScenario(),
        FlowScenario(),
        OverloadScenario(),
        BurstTrainScenario(),
        HotSpotDriftScenario(),
        CoolingFailureScenario(),
        CascadeScenario(),
        ThermalCyclingScenario(),
    ]


@hookimpl
def grid_notifiers() -> list[Notifier]:
    """Return the built-in notifiers."""
    return [LogNotifier(), WebhookNotifier()]
