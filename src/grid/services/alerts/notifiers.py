"""The notifiers that the operator has chosen, connected."""

from collections.abc import Mapping, Sequence
from typing import Any

from grid.core.errors import ConfigurationError
from grid.plugins.registry import Registry
from grid.schemas.alerts import Deliver


def connect_notifiers(registry: Registry, names: Sequence[str], settings: Any) -> Mapping[str, Deliver]:
    """Return what sends notices, by name.

    Args:
        registry: Brings the notifiers.
        names: Those that are wanted.
        settings: That they are connected with.

    Raises:
        ConfigurationError: There is no such notifier, or a setting that it needs is missing or not allowed.
    """
    known = registry.notifiers()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(f"GRID_NOTIFIERS names {', '.join(unknown)}; known: {', '.join(sorted(known))}.")
    return {name: known[name].connect(settings) for name in names}
