"""Main loop of a slot child: read messages from the pipe, solve, render, answer.

A thread watches the pipe: when the supervisor is gone the child is gone too, in the middle of a kernel if need be
(kernels are `nogil`; for those that are not, the kernel's parent-death signal does the same).
"""

import os
import resource
import select
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grid.runtime.live.messages import StartRun
from grid.runtime.live.past_messages import LookBack
from grid.runtime.messages import CancelPoints, ChildReady, Render, Solve
from grid.runtime.preload import Registry, load_registry, warm_up
from grid.runtime.processes import limit_resource
from grid.runtime.rendering import render
from grid.runtime.solving import solve
from grid.runtime.spool import ChildFiles, Spool

JOB_NICE = 5  # of children with jobs, so that a live run, which has a pace to keep, goes before them
LIVE, PAST = "grid.runtime.live.child", "grid.runtime.live.past"
EXIT_GRACE_S = 0.2  # [s] in which an idle child sees end of file by itself and exits with code 0


def main(config: dict[str, Any]) -> None:
    """Run a child with threads, in the process that `_become_large` of the fork server made."""
    registry = load_registry(config["registry"])
    warm_up(registry, compiles=False)  # its one job compiles what it needs, and no more
    raise SystemExit(run(config, registry))


def run(config: dict[str, Any], registry: Registry) -> int:
    """Set the process up and serve until the supervisor closes the pipe; return the exit code."""
    limit_resource(resource.RLIMIT_CORE, 0)
    if config["kind"] != "live":
        with suppress(OSError):
            os.nice(JOB_NICE)
    limit_resource(resource.RLIMIT_NOFILE, config["open_files"])
    os.umask(0o077)
    os.chdir(config["scratch"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides
    connection = Connection(config["connection"])
    threading.Thread(target=_exit_with_parent, args=(connection.fileno(),), name="watcher", daemon=True).start()
    spool = Spool(Path(config["spool"]), config["spool_bytes"])
    serve(connection, registry, spool, output_bytes=config["output_bytes"])
    return 0


def serve(connection: Connection, registry: Registry, spool: ChildFiles, *, output_bytes: int) -> None:
    """Answer messages until end of file."""
    channel = SupervisorChannel(connection)
    past: Any = None  # its reader keeps sessions between two messages
    versions = {name: simulation.numerics_version for name, simulation in registry.simulations().items()}
    with suppress(EOFError, ConnectionError):
        channel.send(ChildReady(os.getpid(), versions))
        while True:
            message = channel.receive()
            if isinstance(message, Solve):
                channel.send(solve(message, registry, spool, channel))
            elif isinstance(message, Render):
                channel.send(render(message, registry, spool, output_bytes=output_bytes))
            elif isinstance(message, LookBack):
                past = past or import_module(PAST).PastReader(spool)
                channel.send(past.read(message))
            elif isinstance(message, StartRun):
                # by name, because the supervisor, which imports this room, loads no numerics
                import_module(LIVE).run_live(message, connection, channel.take_waiting(), spool)
                return


class SupervisorChannel:
    """The pipe to the supervisor; messages that came early wait in order."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._waiting: deque[object] = deque()

    def send(self, message: object) -> None:
        """Send a message to the supervisor."""
        self.connection.send(message)

    def receive(self) -> object:
        """Return the next message, in order."""
        return self._waiting.popleft() if self._waiting else self.connection.recv()

    def take_waiting(self) -> deque[object]:
        """Return the messages that came early, in order."""
        taken, self._waiting = self._waiting, deque()
        return taken

    def take_cancellations(self) -> list[CancelPoints]:
        """Return the `CancelPoints` messages that came, without waiting; other messages stay in order."""
        while self.connection.poll():
            self._waiting.append(self.connection.recv())
        taken = [message for message in self._waiting if isinstance(message, CancelPoints)]
        if taken:
            self._waiting = deque(message for message in self._waiting if not isinstance(message, CancelPoints))
        return taken


def _exit_with_parent(descriptor: int) -> None:
    """Wait until the other end is closed, then end the whole process group."""
    poller = select.poll()
    poller.register(descriptor, 0)  # hang-up is always reported
    poller.poll()
    time.sleep(EXIT_GRACE_S)
    os.killpg(0, signal.SIGKILL)
