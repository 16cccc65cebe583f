"""The scenarios that come with Grid: bodies, events and alert rules, with the course that each must take."""

from grid.plugins.builtin.scenarios.burst import BurstScenario
from grid.plugins.builtin.scenarios.burst_train import BurstTrainScenario
from grid.plugins.builtin.scenarios.cascade import CascadeScenario
from grid.plugins.builtin.scenarios.cooling_failure import CoolingFailureScenario
from grid.plugins.builtin.scenarios.flow import FlowScenario
from grid.plugins.builtin.scenarios.hot_spot_drift import HotSpotDriftScenario
from grid.plugins.builtin.scenarios.overload import OverloadScenario
from grid.plugins.builtin.scenarios.thermal_cycling import ThermalCyclingScenario

__all__ = [
    "BurstScenario",
    "BurstTrainScenario",
    "CascadeScenario",
    "CoolingFailureScenario",
    "FlowScenario",
    "HotSpotDriftScenario",
    "OverloadScenario",
    "ThermalCyclingScenario",
]
