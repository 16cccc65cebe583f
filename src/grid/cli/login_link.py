"""The address that logs a browser in, for commands that start the service."""

from importlib.resources import files

from grid.client import session_calls
from grid.client.client import GridClient
from grid.client.errors import ProblemError, ServerUnreachableError
from grid.core.errors import GridError
from grid.core.settings import Settings


def make_login_address(settings: Settings | None = None) -> str | None:
    """Return an address that logs one browser in; None where no page is built, or the server makes no link.

    A service that has started is not stopped by a link that cannot be had: `grid auth link` says why.
    """
    if not files("grid").joinpath("api", "page", "index.html").is_file():
        return None
    try:
        with GridClient.from_settings(settings) as client:
            return f"{client.address}{client.send(session_calls.make_login_link()).path}"
    except (GridError, ProblemError, ServerUnreachableError):
        return None
