"""The watchdog's end of its socket: reports to the supervisor, kept while nobody reads, and commands from it."""

import json
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Any

MAX_UNSENT = 4  # reports that the supervisor has not read; beyond, a watchdog reads no more output
EXIT_FLUSH_S = 5.0  # [s] for the supervisor to read the last reports
COMMAND_BYTES = 4096


class Reports:
    """One SEQPACKET socket. Once the supervisor is gone, reports are dropped."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(fileno=descriptor)
        self.socket.setblocking(False)
        self.unsent: deque[bytes] = deque()
        self.is_gone = False

    def fileno(self) -> int:
        """Return the descriptor, for selectors."""
        return self.socket.fileno()

    @property
    def has_room(self) -> bool:
        """True while the supervisor keeps up."""
        return len(self.unsent) < MAX_UNSENT

    def send(self, report: dict[str, Any]) -> None:
        """Send a report, now or when there is room; never blocks."""
        if not self.is_gone:
            self.unsent.append(json.dumps(report).encode())
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        try:
            while self.unsent:
                self.socket.send(self.unsent[0])
                self.unsent.popleft()
        except BlockingIOError:
            return
        except ConnectionError:
            self.unsent.clear()

    def receive(self) -> str | None:
        """Return a command; None where there is none. At the end of the socket `is_gone` becomes true."""
        try:
            command = self.socket.recv(COMMAND_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            command = b""
        if not command:
            self.unsent.clear()
            self.is_gone = True
            return None
        return str(json.loads(command))

    def flush_before_exit(self) -> None:
        """Wait for the supervisor to read the last reports, but not for ever."""
        deadline = time.monotonic() + EXIT_FLUSH_S
        self.socket.setblocking(True)
        with suppress(OSError):
            while self.unsent:
                self.socket.settimeout(max(0.01, deadline - time.monotonic()))
                self.socket.send(self.unsent.popleft())
