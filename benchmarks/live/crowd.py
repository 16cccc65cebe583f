"""V3: a run of 1024 x 1024 cells with twenty viewers, one more on a slow link, and one that reads nothing.

Every reader takes whole pictures at level 0 and discards them; the twenty and the slow one are one process, the one
that reads nothing is another: it comes back whenever the server gives it up.
"""

import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmarks.live.audience import (
    Users,
    Watched,
    find_ages,
    find_share,
    reading_all,
    sum_counts,
    watch_with,
)
from benchmarks.live.pace import make_rules, time_plain
from benchmarks.live.service import connected, find_children, make_burst, make_run, wait_until
from benchmarks.live.tick import find_tick
from benchmarks.service import Service

CELLS, MOST_RATE, SHARE = 1024, 10.0, 2.1
VIEWERS: Final = 20
SLOW_BITS: Final = 1e6  # [1/s]
REST_S: Final = 30.0  # [s] at the begin that do not count
PICTURES: Final[dict[str, Any]] = {"kind": "frames", "members": {"codec": "zstd", "max_hz": 30.0}}


@dataclass
class Crowd:
    """What was found.

    Args:
        rate: Ticks a second that were asked for.
        plain_s: Processor time of the same tick by plain explicit steps [s].
        ticks, wall_s: Done while it was looked at, and how long that was [s].
        healthy, slow, stalled: What readers say of themselves.
        watched: Processes meanwhile.
        slips, jitter_s: Of the run.
    """

    rate: float
    plain_s: float
    ticks: int = 0
    wall_s: float = 0.0
    healthy: list[dict[str, Any]] = field(default_factory=list)
    slow: dict[str, Any] = field(default_factory=dict)
    stalled: dict[str, Any] = field(default_factory=dict)
    watched: Watched = field(default_factory=Watched)
    slips: float = 0.0
    jitter_s: float = 0.0

    @property
    def ratio(self) -> float:
        """Real-time ratio: ticks done over ticks that the rate asks for."""
        return self.ticks / (self.wall_s * self.rate)


def find_oldest(reader: Mapping[str, Any]) -> list[float]:
    """How old each picture was when the next one replaced it [s]."""
    arrivals = reader["arrivals"]
    return [later[1] - earlier[2] for earlier, later in pairwise(arrivals)]


def measure(service: Service, *, seconds: float, rest_s: float = REST_S) -> Crowd:
    """A run with a burst on, ten rules, and its viewers.

    Args:
        service: Under test.
        seconds: For which readers count [s].
        rest_s: Before that [s].
    """
    tick = find_tick(CELLS)
    plain = time_plain(CELLS, tick)
    found = Crowd(min(MOST_RATE, SHARE / plain), plain)
    home, users = Path(service.environment["GRID_HOME"]), Users.of_streams(service, VIEWERS + 2)
    with connected(service) as client:
        engine = client.engine
        run = engine.start(**make_run(CELLS, found.rate)).id
        wait_until(lambda: engine.show(run).status == "running", "the run ran")
        engine.set_rules(run, make_rules(10))
        engine.inject(run, make_burst(CELLS, 10.0 * (seconds + rest_s)))
        (pid,) = [pid for pids in find_children(home).values() for pid in pids]
        orders = users.sign([PICTURES] * VIEWERS + [{**PICTURES, "bits_per_s": SLOW_BITS}])
        stalled = users.sign([{**PICTURES, "stalled": True, "returns": True}], first=len(orders))
        with reading_all(service.port, run, [orders, stalled]) as audiences:
            time.sleep(rest_s)
            first = engine.metrics(run)
            found.watched = watch_with(audiences, {**service.pids(), "child": pid}, seconds)
            shown = engine.metrics(run)
        *found.healthy, found.slow = audiences[0].heard.readers
        (found.stalled,) = audiences[1].heard.readers
        found.wall_s = (shown.sampled_at - first.sampled_at).total_seconds()
        found.ticks = shown.tick - first.tick
        found.jitter_s = shown.metrics["jitter_s"] or 0.0
        found.slips = (shown.metrics["slips"] or 0.0) - (first.metrics["slips"] or 0.0)
        engine.stop(run)
        wait_until(lambda: engine.show(run).status == "stopped", "the run had ended")
    return found


def print_crowd(found: Crowd) -> None:
    """Print what viewers got beside what they should."""
    interval, ages = 1.0 / found.rate, find_ages(found.healthy)
    counts = [one["messages"] for one in found.healthy]
    sizes = sum(one["bytes"] for one in found.healthy) / max(1, sum(counts))
    print(f"\n{CELLS} x {CELLS} at {found.rate:.3g} ticks a second for {found.wall_s:.0f} s ", end="")
    print(f"(plain explicit steps {found.plain_s * 1e3:.0f} ms a tick), {VIEWERS} viewers, a slow and a stalled one:")
    print(f"- real-time ratio {found.ratio:.4f} (bar 0.98), slips {found.slips:.0f}, ", end="")
    print(f"jitter {found.jitter_s * 1e3:.1f} ms ({found.jitter_s / interval:.1%} of a tick)")
    print(
        f"- {min(counts)} to {max(counts)} pictures a viewer of {found.ticks} ticks, of {sizes / 1e3:.0f} kB; ", end=""
    )
    print(f"levels {show_counts(sum_counts(found.healthy, 'levels'))}; ", end="")
    print(f"told: {show_counts(sum_counts(found.healthy, 'notices'))}")
    print(f"- age at the reader {show_ages(ages, interval)} (bars: 95 % 1.5, 99 % 2.5 ticks)")
    print_slow(found.slow, interval)
    lived = [f"{seconds:.0f}" for seconds in found.stalled["gone_s"]]
    print(f"- the stalled one was given up after {', '.join(lived) or '-'} s")
    print_processes(found.watched)


def print_slow(slow: Mapping[str, Any], interval: float) -> None:
    """Print what the viewer on a slow link got."""
    print(
        f"- at {SLOW_BITS / 1e6:g} Mbit/s: {slow['messages']} pictures, levels {show_counts(slow['levels'])}, ", end=""
    )
    print(
        f"told: {show_counts(slow['notices'])}; age {show_ages(find_ages([slow]), interval)} (bar 20 ticks); ", end=""
    )
    print(f"when replaced, at most {max(find_oldest(slow), default=math.nan) / interval:.1f} ticks")


def print_processes(watched: Watched) -> None:
    """Print how the processor was split, and memory."""
    shares = ", ".join(f"{name} {watched.find_share(name):.1%}" for name in watched.processor_s)
    swings = "; ".join(
        f"{name} {watched.memory[name][0] / 1e6:.0f} MB {low / 1e6:+.1f} .. {high / 1e6:+.1f}, "
        f"from first to last quarter {watched.find_growth(name) / 1e6:+.1f}"
        for name in watched.memory
        for low, high in [watched.find_swing(name)]
    )
    print(f"- shares of a core: {shares}")
    print(f"- memory: {swings} MB over {watched.seconds:.0f} s")


def show_ages(ages: list[float], interval: float) -> str:
    """Ages in milliseconds, and in ticks."""
    if not ages:
        return "-"
    shares = [(name, find_share(ages, share)) for name, share in (("95", 0.95), ("99", 0.99))]
    words = [f"{name} % {age * 1e3:.0f} ms = {age / interval:.2f} ticks" for name, age in shares]
    return f"50 % {statistics.median(ages) * 1e3:.0f} ms, {', '.join(words)}, at most {max(ages) / interval:.2f}"


def show_counts(counts: Mapping[str, int]) -> str:
    """Counts by name."""
    return ", ".join(f"{name}: {count}" for name, count in Counter(counts).most_common()) or "nothing"
