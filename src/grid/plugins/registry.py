"""The simulations and scenarios that are installed, by name. Importing this loads no NumPy."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

import pluggy

from grid.core.errors import ConfigurationError, NotFoundError
from grid.plugins import hooks
from grid.plugins.builtin import plugin as builtin
from grid.schemas.alerts import Notifier
from grid.schemas.scenarios import Scenario
from grid.schemas.simulations import Simulation

ENTRY_POINT_GROUP = "grid.plugins"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")  # stands in addresses, in file keys and on command lines


class _HasName(Protocol):
    name: str


Named = TypeVar("Named", bound=_HasName)


class Registry:
    """An unchanging set of simulations, scenarios and notifiers."""

    def __init__(
        self,
        simulations: Iterable[Simulation],
        scenarios: Iterable[Scenario] = (),
        notifiers: Iterable[Notifier] = (),
    ) -> None:
        """Take simulations, scenarios and notifiers, in the order in which they are listed.

        Raises:
            ConfigurationError: Two of a kind have the same name, or a name is not lower-case words joined by hyphens.
        """
        self._by_name = _by_name("simulation", simulations)
        self._scenarios = _by_name("scenario", scenarios)
        self._notifiers = _by_name("notifier", notifiers)
        for simulation in self._by_name.values():
            use_scenarios = getattr(simulation, "use_scenarios", None)
            if use_scenarios is not None and self._scenarios:
                use_scenarios(self._scenarios)

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

    def scenarios(self) -> Mapping[str, Scenario]:
        """All scenarios by name."""
        return self._scenarios

    def notifiers(self) -> Mapping[str, Notifier]:
        """All notifiers by name."""
        return self._notifiers

    def get_scenario(self, name: str) -> Scenario:
        """Return one scenario.

        Raises:
            NotFoundError: There is none of that name.
        """
        try:
            return self._scenarios[name]
        except KeyError:
            raise NotFoundError("scenario") from None


def _by_name(kind: str, brought: Iterable[Named]) -> Mapping[str, Named]:
    """Things of one kind by their names.

    Raises:
        ConfigurationError: Two have the same name, or a name is not lower-case words joined by hyphens.
    """
    by_name: dict[str, Named] = {}
    for each in brought:
        if not _NAME.fullmatch(each.name):
            raise ConfigurationError(f"A plugin brings a {kind} with the unusable name {each.name!r}.")
        if each.name in by_name:
            raise ConfigurationError(f"Two plugins bring a {kind} named {each.name!r}; remove one.")
        by_name[each.name] = each
    return MappingProxyType(by_name)


def load_registry() -> Registry:
    """Collect the built-in simulations, scenarios and notifiers, then those of installed plugins, in a stable order.

    Raises:
        ConfigurationError: A plugin cannot be loaded, or two of a kind have one name.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.load_setuptools_entrypoints(ENTRY_POINT_GROUP)
        manager.check_pending()
    except Exception as error:  # a plugin's import may raise anything
        raise ConfigurationError(f"A plugin cannot be loaded: {type(error).__name__}: {error}") from error
    manager.register(builtin, name="builtin")  # called first: pluggy calls the last registered one first
    return Registry(
        (simulation for brought in manager.hook.grid_simulations() for simulation in brought),
        (scenario for brought in manager.hook.grid_scenarios() for scenario in brought),
        (notifier for brought in manager.hook.grid_notifiers() for notifier in brought),
    )
