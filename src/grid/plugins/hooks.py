"""Hook specifications for pluggy: everything that a plugin can bring to Grid.

A plugin is a module or object with functions marked by `hookimpl`, named by an entry point of the group
`grid.plugins` in the metadata of an installed distribution:

    [project.entry-points."grid.plugins"]
    my-rods = "my_rods.plugin"

The built-in simulations come through the same hooks (`grid.plugins.builtin.plugin`).
"""

import pluggy

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
