"""Helpers of tests that start processes."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from grid.runtime.processes import find_start_time


def find_free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_group(group: int) -> list[int]:
    """Return the living members of a process group."""
    members = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == group and find_start_time(pid) is not None:
                members.append(pid)
    return members
