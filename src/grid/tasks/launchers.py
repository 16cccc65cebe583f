"""Launcher of a worker, chosen by the settings."""

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.tasks.programs import Launcher, ProgramLauncher


def make_launcher(settings: Settings) -> Launcher:
    """Return what starts images.

    Raises:
        ConfigurationError: Images are to run in Docker alone.
    """
    if settings.grid_runner == "docker":
        raise ConfigurationError("GRID_RUNNER: this version of Grid runs listed local programs alone.")
    return ProgramLauncher.from_settings(settings)
