"""The simulations that come with Grid, brought through the hook that every plugin uses."""

from grid.plugins.builtin.heat import Heat
from grid.plugins.builtin.noop import Noop
from grid.plugins.builtin.rod import HeatRod
from grid.plugins.hooks import hookimpl
from grid.schemas.simulations import Simulation


@hookimpl
def grid_simulations() -> list[Simulation]:
    """Return the built-in simulations, the most used first."""
    return [HeatRod(), Heat(), Noop()]
