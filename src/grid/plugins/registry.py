"""The simulations that are installed, by name. Importing this loads no NumPy."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pluggy

from grid.core.errors import ConfigurationError, NotFoundError
from grid.plugins import hooks
from grid.plugins.builtin import plugin as builtin
from grid.schemas.simulations import Simulation

ENTRY_POINT_GROUP = "grid.plugins"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")  # stands in addresses, in file keys and on command lines


class Registry:
    """An unchanging set of simulations."""

    def __init__(self, simulations: Iterable[Simulation]) -> None:
        """Take the simulations, in the order in which they are listed.

        Raises:
            ConfigurationError: Two have the same name, or a name is not lower-case words joined by hyphens.
        """
        by_name: dict[str, Simulation] = {}
        for simulation in simulations:
            if not _NAME.fullmatch(simulation.name):
                raise ConfigurationError(f"A plugin brings a simulation with the unusable name {simulation.name!r}.")
            if simulation.name in by_name:
                raise ConfigurationError(f"Two plugins bring a simulation named {simulation.name!r}; remove one.")
            by_name[simulation.name] = simulation
        self._by_name = MappingProxyType(by_name)

    def simulations(self) -> Mapping[str, Simulation]:
        """All simulations by name."""
        return self._by_name

    def get(self, name: str) -> Simulation:
        """Return one simulation.

        Raises:
            NotFoundError: There is none of that name.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise NotFoundError("simulation") from None


def load_registry() -> Registry:
    """Collect the built-in simulations, then those of installed plugins, in a stable order.

    Raises:
        ConfigurationError: A plugin cannot be loaded, or two simulations have one name.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.load_setuptools_entrypoints(ENTRY_POINT_GROUP)
        manager.check_pending()
    except Exception as error:  # a plugin's import may raise anything
        raise ConfigurationError(f"A plugin cannot be loaded: {type(error).__name__}: {error}") from error
    manager.register(builtin, name="builtin")  # called first: pluggy calls the last registered one first
    return Registry(simulation for brought in manager.hook.grid_simulations() for simulation in brought)
