"""The supervisor's end of a watchdog: the process and its socket. Not for several threads at a time."""

import json
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grid
from grid.runtime.forkserver import BOOT

MESSAGE_BYTES = 256 << 10  # largest message of a watchdog


def boot(
    module: str,
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    folder: Path,
    descriptors: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a module of Grid in a session of its own, isolated from the user's environment."""
    whole = {"module": module, "path": [str(Path(grid.__file__).parent.parent)], **config}
    return subprocess.Popen(
        [sys.executable, "-I", "-c", BOOT, json.dumps(whole)],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=list(descriptors),
        start_new_session=True,
    )


class WatchdogProcess:
    """A watchdog that was started with a socket to this process.

    Args:
        module: Of the watchdog; its `main` gets `config` with the descriptor `control`.
        environment, folder: It runs with.
        descriptors: It inherits beside the socket.
    """

    def __init__(
        self,
        module: str,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        folder: Path,
        descriptors: Sequence[int] = (),
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            control = theirs.fileno()
            try:
                config = {**config, "control": control}
                self.process = boot(module, config, environment, folder, [control, *descriptors])
            except BaseException:
                ours.close()
                raise
        self.socket = ours

    @property
    def pid(self) -> int:
        """Its process number."""
        return self.process.pid

    @property
    def has_ended(self) -> bool:
        """True once it has ended."""
        return self.process.poll() is not None

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Return whether `receive` would return at once."""
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return bool(poller.poll(timeout_s * 1000))

    def receive(self) -> dict[str, Any] | None:
        """Return the next report; None where it is lost, or another process has its socket."""
        try:
            data = self.socket.recv(MESSAGE_BYTES)
        except ConnectionError:
            data = b""
        with suppress(ValueError):
            words = json.loads(data) if data else None
            return words if isinstance(words, dict) else None
        return None

    def send(self, command: str) -> None:
        """Send a command; lost where it has ended or does not read."""
        with suppress(OSError):
            self.socket.send(json.dumps(command).encode())

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()

    def hang_up(self) -> None:
        """Close the socket, at which it ends what it watches, and then itself. Twice is harmless."""
        self.socket.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False where it takes longer."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
