"""The client that commands use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grid.cli.output import reporting

if TYPE_CHECKING:
    from grid.client.client import GridClient


@contextmanager
def connected() -> Iterator["GridClient"]:
    """Lend a client of the configured server; Grid's errors become one sentence and an exit code."""
    from grid.client.client import GridClient

    with reporting(), GridClient.from_settings() as client:
        yield client
