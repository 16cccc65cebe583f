"""V4: a hundred viewers of a run of 512 x 512 cells at five ticks a second and level 1, half of them by each codec.

A picture is encoded once for each tick and codec: all viewers of a codec get the same bytes, and the run's process uses
as much for a hundred as for one of each.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from benchmarks.live.audience import (
    Users,
    Watched,
    find_ages,
    find_encodings,
    reading_all,
    sum_counts,
    watch,
    watch_with,
)
from benchmarks.live.crowd import print_processes, show_ages, show_counts
from benchmarks.live.service import connected, find_children, make_burst, make_run, wait_until
from benchmarks.service import Service

CELLS, RATE, LEVEL, VIEWERS = 512, 5.0, 1, 100
CODECS: Final = ("deflate", "zstd")
REST_S: Final = 5.0  # [s] at the begin that do not count


@dataclass
class Viewed:
    """What was found: processes without viewers, with one of each codec, and with all; what all of them say.

    Args:
        alone, few, all: Processes.
        readers: All of them.
        ticks: While all looked.
    """

    alone: Watched = field(default_factory=Watched)
    few: Watched = field(default_factory=Watched)
    all: Watched = field(default_factory=Watched)
    readers: list[dict[str, Any]] = field(default_factory=list)
    ticks: int = 0


def make_orders(count: int) -> list[dict[str, Any]]:
    """Orders of so many viewers, of the codecs in turn."""
    return [
        {"kind": "frames", "members": {"level": LEVEL, "max_hz": 30.0, "codec": CODECS[place % len(CODECS)]}}
        for place in range(count)
    ]


def measure(service: Service, *, seconds: float) -> Viewed:
    """A run with a burst on and its viewers.

    Args:
        service: Under test.
        seconds: For which it is looked at, each time [s].
    """
    users, found = Users.of_streams(service, VIEWERS), Viewed()
    home = Path(service.environment["GRID_HOME"])
    with connected(service) as client:
        engine = client.engine
        run = engine.start(**make_run(CELLS, RATE)).id
        wait_until(lambda: engine.show(run).status == "running", "the run ran")
        engine.inject(run, make_burst(CELLS, 100.0 * seconds))
        (pid,) = [pid for pids in find_children(home).values() for pid in pids]
        processes = {**service.pids(), "child": pid}
        time.sleep(REST_S)
        found.alone = watch(processes, seconds)
        found.few, _ = look(service.port, run, users.sign(make_orders(len(CODECS))), processes, seconds)
        first = engine.metrics(run).tick
        found.all, found.readers = look(service.port, run, users.sign(make_orders(VIEWERS)), processes, seconds)
        found.ticks = engine.metrics(run).tick - first
        engine.stop(run)
        wait_until(lambda: engine.show(run).status == "stopped", "the run had ended")
    return found


def look(
    port: int, run: UUID, orders: Sequence[dict[str, Any]], processes: dict[str, int], seconds: float
) -> tuple[Watched, list[dict[str, Any]]]:
    """Look at processes with viewers; what those say."""
    with reading_all(port, run, [orders]) as audiences:
        time.sleep(REST_S)
        return watch_with(audiences, processes, seconds), audiences[0].heard.readers


def print_viewers(found: Viewed) -> None:
    """Print what viewers got, and what the server paid."""
    counts = [one["messages"] for one in found.readers]
    total, megabytes = sum(counts), sum(one["bytes"] for one in found.readers) / 1e6
    encodings = find_encodings(sum_counts(found.readers, "pictures"))
    ticks = found.all.seconds * RATE
    print(
        f"\n{VIEWERS} viewers of {CELLS} x {CELLS}, {RATE:g} ticks a second, level {LEVEL}, {found.all.seconds:.0f} s:"
    )
    print(
        f"- {min(counts)} to {max(counts)} pictures a viewer in {ticks:.0f} ticks, {megabytes / total * 1e3:.1f} kB; ",
        end="",
    )
    print(f"told: {show_counts(sum_counts(found.readers, 'notices'))}")
    for kind, (numbers, payloads) in sorted(encodings.items()):
        print(f"- codec/level {kind}: {numbers} pictures, {payloads} payloads: {payloads / ticks:.3f} encodings a tick")
    server, alone = found.all.find_share("server"), found.alone.find_share("server")
    spent = (server - alone) * found.all.seconds
    print(
        f"- server {server:.1%} of a core (bar 60 %), with one viewer a codec {found.few.find_share('server'):.1%}, ",
        end="",
    )
    print(f"without {alone:.1%}: {spent / total * 1e3:.2f} ms a picture, {spent / megabytes * 1e3:.2f} ms a MB")
    shares = ", ".join(f"{one.find_share('child'):.1%}" for one in (found.alone, found.few, found.all))
    print(f"- the run's process without viewers, with one a codec, with all: {shares} of a core")
    print(f"- age at the reader {show_ages(find_ages(found.readers), 1.0 / RATE)}")
    print_processes(found.all)
