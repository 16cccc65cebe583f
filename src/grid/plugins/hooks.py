"""Hook specifications for pluggy: everything that a plugin can bring to Grid.

A plugin is a module or object with functions marked by `hookimpl`, named by an entry point of the group
`grid.plugins` in the metadata of an installed distribution:

    [project.entry-points."grid.plugins"]
    my-rods = "my_rods.plugin"

The built-in simulations and scenarios come through the same hooks (`grid.plugins.builtin.plugin`).
"""

import pluggy

from grid.schemas.alerts import Notifier
from grid.schemas.scenarios import Scenario
from grid.schemas.simulations import Simulation

PROJECT = "grid"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def grid_simulations() -> list[Simulation]:  # type: ignore[empty-body]
    """Return simulations to offer: fresh or shared objects, each with a name of its own.

    Called once when a process starts, in the server and the worker too: importing the plugin and calling this must
    stay light (no NumPy, no Numba). `grid.schemas.simulations.Simulation` says what each object promises.
    """


@hookspec
def grid_scenarios() -> list[Scenario]:  # type: ignore[empty-body]
    """Return scenarios to offer, each with a name of its own.

    Called once when a process starts, and as light as `grid_simulations`. `grid.schemas.scenarios.Scenario` says what
    each object promises.
    """


@hookspec
def grid_notifiers() -> list[Notifier]:  # type: ignore[empty-body]
    """Return notifiers to offer: ways by which notices of alerts leave, each with a name of its own.

    Called once when a process starts, and as light as `grid_simulations`. A notifier does nothing unless GRID_NOTIFIERS
    names it. `grid.schemas.alerts.Notifier` says what each object promises.
    """
