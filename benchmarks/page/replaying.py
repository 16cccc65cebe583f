"""A replay beside a server, in the place of the child of one of its live runs."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from grid.runtime.live.bus_wire import name_socket

EPOCH = 1
STOP_S = 30.0


@contextmanager
def replaying(home: Path, run: str, recording: Path, rate: float) -> Iterator[subprocess.Popen[bytes]]:
    """Show a recording as the pictures of a run until the end of the block."""
    path = home / "run" / name_socket(UUID(run), EPOCH)
    command = [str(path), run, str(EPOCH), str(recording), str(rate), str(times_of(home))]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.page.replay", *command], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    try:
        if process.stdout is None or "frames" not in json.loads(process.stdout.readline() or "{}"):
            raise RuntimeError("the replay has not started")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_S)


def times_of(home: Path) -> Path:
    """Where a replay notes when it showed what."""
    return home.parent / "shown.txt"


def read_times(home: Path) -> dict[int, int]:
    """Unix time at which each tick was shown [ms]."""
    lines = times_of(home).read_text(encoding="ascii").splitlines()
    return {int(tick): int(moment) for tick, moment in (line.split() for line in lines[:-1])}
