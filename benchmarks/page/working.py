"""A worker beside a server, for the parts that let something be computed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.server import Server, environment

STOP_S = 60.0


@contextmanager
def working(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker on the data folder of a server until the end of the block."""
    with (server.home.parent / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "grid.cli.main", "worker"],
            env=environment(server.home, server.port),
            cwd=server.home.parent,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_S)
