"""Settings of commands that use the database of this machine themselves, without a server."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from grid.core.settings import Settings
from grid.runtime.home import Home, find_running


def own_settings(settings: Settings | None = None) -> Settings:
    """Return the settings that the processes of this data folder have.

    `grid up --stack services` gives its processes the addresses of a PostgreSQL and a Redis of its own. Where that
    PostgreSQL runs, and no DATABASE_URL or REDIS_URL is set, they are meant here too, not the SQLite file beside it.
    """
    settings = settings or Settings()
    found = _find_stack(settings)
    if not found:
        return settings
    return settings.model_copy(update={"database_url": found["DATABASE_URL"], "redis_url": found["REDIS_URL"]})


def join_stack() -> None:
    """Put the addresses of the stack that runs on this data folder into the environment of a server or worker."""
    os.environ.update(_find_stack(Settings()))


def _find_stack(settings: Settings) -> Mapping[str, str]:
    """Return the settings that name the stack `services` of a data folder; none where it does not run."""
    if settings.database_url or settings.redis_url or find_running(Home(settings.grid_home), "postgres") is None:
        return {}
    from grid.cli.backing import KEPT, Access

    with suppress(FileNotFoundError, ValueError, TypeError):
        text = (settings.grid_home / "secrets" / KEPT).read_text(encoding="ascii")
        return Access(**json.loads(text)).environment
    return {}
