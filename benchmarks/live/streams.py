"""V5: 500 server-sent streams and 100 sockets with notices of one run, and 100 more streams that read nothing.

Half of the streams carry events, half samples, two a second: the run gets two events a second. A delay is taken from
the moment at which the tick that a message tells of was computed, which pictures of the same run tell. Those that read
nothing are streams of both kinds, and sockets to which pictures go; how many the server gave up, and when, is read from
the system's table of connections, since a side that reads nothing sees no end.
"""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from benchmarks.live.audience import (
    Users,
    Watched,
    find_delays,
    find_moments,
    find_share,
    reading_all,
    sum_counts,
    watch_with,
)
from benchmarks.live.crowd import print_processes, show_counts
from benchmarks.live.pace import time_plain
from benchmarks.live.service import connected, find_children, make_burst, make_run, wait_until
from benchmarks.live.tick import find_tick
from benchmarks.service import Service
from grid.client.client import GridClient
from grid.runtime.processes import find_rss_bytes

CELLS, MOST_RATE, SHARE = 512, 30.0, 1.5
STREAMS, SOCKETS, STALLED = 500, 100, 100
EVENTS_HZ: Final = 2.0
REST_S: Final = 10.0
STALLED_S: Final = 60.0  # [s] for which those that read nothing are looked at
CLOCK: Final[dict[str, Any]] = {"kind": "frames", "members": {"level": 2, "max_hz": 30.0, "codec": "zstd"}}


@dataclass
class Streamed:
    """What was found.

    Args:
        rate: Ticks a second that were asked for.
        ticks, wall_s: Done while it was looked at, and how long that was [s].
        clock, readers, stalled: What readers say: of pictures, of messages, and those that read nothing.
        growth: Of the server's memory by those that read nothing, at most [B].
        watched: Processes meanwhile.
    """

    rate: float
    ticks: int = 0
    wall_s: float = 0.0
    clock: list[dict[str, Any]] = field(default_factory=list)
    readers: list[dict[str, Any]] = field(default_factory=list)
    stalled: list[dict[str, Any]] = field(default_factory=list)
    growth: int = 0
    watched: Watched = field(default_factory=Watched)


def make_orders() -> list[dict[str, Any]]:
    """Orders of the readers: the clock, streams, sockets."""
    streams = [{"kind": "events" if place % 2 else "samples"} for place in range(STREAMS)]
    return [CLOCK, *streams, *({"kind": "notices"} for _ in range(SOCKETS))]


def make_stalled() -> list[dict[str, Any]]:
    """Orders of those that read nothing: samples, events and pictures in turn."""
    pictures = {"kind": "frames", "members": {"max_hz": 30.0, "codec": "zstd"}}
    kinds = ({"kind": "samples"}, pictures, {"kind": "events"})
    return [{**kinds[place % len(kinds)], "stalled": True} for place in range(STALLED)]


@contextmanager
def making_events(client: GridClient, run: UUID) -> Iterator[None]:
    """Two events a second: bursts of hardly any power that last for one tick."""
    ended = threading.Event()

    def go_on() -> None:
        due = time.monotonic()
        while not ended.wait(max(0.0, due - time.monotonic())):
            client.engine.inject(run, {**make_burst(CELLS, 0.0, power=1.0), "duration_s": 0.5 * find_tick(CELLS)})
            due += 1.0 / EVENTS_HZ

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure(service: Service, *, seconds: float) -> Streamed:
    """A run and its readers.

    Args:
        service: Under test.
        seconds: For which readers count [s]; those that read nothing come after a while.
    """
    found = Streamed(min(MOST_RATE, SHARE / time_plain(CELLS, find_tick(CELLS))))
    users = Users.of_streams(service, 1 + STREAMS + SOCKETS + STALLED)
    home = Path(service.environment["GRID_HOME"])
    with connected(service) as client, connected(service) as other:
        engine = client.engine
        run = engine.start(**make_run(CELLS, found.rate)).id
        wait_until(lambda: engine.show(run).status == "running", "the run ran")
        (pid,) = [pid for pids in find_children(home).values() for pid in pids]
        processes, orders = {**service.pids(), "child": pid}, users.sign(make_orders())
        with making_events(other, run), reading_all(service.port, run, [orders]) as audiences:
            time.sleep(REST_S)
            first = engine.metrics(run)
            late = threading.Thread(
                target=stall, args=(service, run, users.sign(make_stalled(), len(orders)), processes, found)
            )
            late.start()
            found.watched = watch_with(audiences, processes, seconds)
            shown = engine.metrics(run)
            late.join()
        found.clock, found.readers = audiences[0].heard.readers[:1], audiences[0].heard.readers[1:]
        found.wall_s = (shown.sampled_at - first.sampled_at).total_seconds()
        found.ticks = shown.tick - first.tick
        engine.stop(run)
        wait_until(lambda: engine.show(run).status == "stopped", "the run had ended")
    return found


def stall(
    service: Service, run: UUID, orders: Sequence[dict[str, Any]], processes: dict[str, int], found: Streamed
) -> None:
    """Have readers that read nothing for a while, and note by how much the server's memory grows at most."""
    time.sleep(REST_S)
    before, most = find_rss_bytes(processes["server"]) or 0, 0
    with reading_all(service.port, run, [orders]) as audiences:
        audiences[0].begin()
        end = time.monotonic() + STALLED_S
        while time.monotonic() < end:
            most = max(most, (find_rss_bytes(processes["server"]) or 0) - before)
            time.sleep(0.5)
        found.stalled, found.growth = audiences[0].end().readers, most


def print_streams(found: Streamed) -> None:
    """Print what readers got beside what they should."""
    moments = find_moments(found.clock)
    print(
        f"\n{STREAMS} streams and {SOCKETS} sockets of a run of {CELLS} x {CELLS} at {found.rate:.3g} ticks a second, ",
        end="",
    )
    print(f"{found.wall_s:.0f} s; ratio {found.ticks / (found.wall_s * found.rate):.4f}:")
    for kind in ("samples", "events", "notices"):
        readers = [one for one in found.readers if one["kind"] == kind]
        counts, delays = [one["messages"] for one in readers], find_delays(readers, moments)
        print(
            f"- {len(readers)} of {kind}: {statistics.fmean(counts) / found.watched.seconds:.2f} a second; after ",
            end="",
        )
        print(f"50 % {statistics.median(delays) * 1e3:.0f} ms, 99 % {find_share(delays, 0.99) * 1e3:.0f} ms ", end="")
        print(f"(bar 300 ms), at most {max(delays) * 1e3:.0f} ms; {sum(one['lost'] for one in readers)} lost; ", end="")
        print(f"told: {show_counts(sum_counts(readers, 'notices'))}")
    print(
        f"- {STALLED} that read nothing: memory of the server grew by at most {found.growth / 1e6:.1f} MB (bar 30 MB)"
    )
    for kind in ("samples", "events", "frames"):
        readers = [one for one in found.stalled if one["kind"] == kind]
        gone = Counter(f"{seconds:.0f} s" for one in readers for seconds in one["gone_s"])
        print(f"  - of {len(readers)} of {kind} given up after: {show_counts(gone)} (bar 35 s)")
    print_processes(found.watched)
