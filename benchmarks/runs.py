"""A run of benchmarks: on which machine, how busy it was, how long it took; and the tables of earlier runs."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Run:
    """A run that begins now."""

    def __init__(self) -> None:
        self._started, self._load = time.time(), os.getloadavg()[0]

    def describe(self, what: str) -> str:
        """Return one line about what was measured, the machine, its load before and now, and the time that it took."""
        return (
            f"{what}: {os.cpu_count()} cores, {find_processor()}, Python {platform.python_version()}; "
            f"load before {self._load:.2f}, after {os.getloadavg()[0]:.2f}; {time.time() - self._started:.0f} s in all."
        )


def find_processor() -> str:
    """Name the processor; its architecture where the system does not say more."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_earlier(paths: Sequence[Path], render: Callable[[list[Any]], str]) -> None:
    """Print the table of the records that earlier runs wrote, and their machines."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    print(render([record for run in runs for record in run["records"]]))
    print("\n" + "\n".join(f"- {run['machine']}" for run in runs))
