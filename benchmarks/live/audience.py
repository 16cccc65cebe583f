"""Readers of a live run in processes of their own, and what they say of it: ages, losses, shares of a core.

All times here are Unix times [s].
"""

import bisect
import json
import math
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.service import Connection, Service
from grid.runtime.processes import find_cpu_seconds, find_rss_bytes

STREAMS_OF_A_USER = 10
LOOK_S = 1.0  # [s] between two looks at the memory of processes
READY_S = 180.0
ROOT = Path(__file__).parents[2]


class Users:
    """Administrators who look at a run that is another's, as many as the streams need."""

    def __init__(self, service: Service, count: int) -> None:
        self.port, administrator = service.port, service.connect()
        self.tokens = [self._add(administrator, place) for place in range(count)]

    @classmethod
    def of_streams(cls, service: Service, streams: int) -> "Users":
        """Enough of them for so many streams."""
        return cls(service, -(-streams // STREAMS_OF_A_USER))

    def _add(self, administrator: Connection, place: int) -> str:
        name, password = f"viewer-{secrets.token_hex(4)}-{place}", secrets.token_urlsafe(24)
        administrator.json("POST", "/api/v1/users", {"username": name, "password": password, "role": "admin"})
        words = {"username": name, "password": password}
        return str(Connection(self.port, "").json("POST", "/api/v1/auth/login", words)["access_token"])

    def find_token(self, stream: int) -> str:
        """The token of the user whose stream it is."""
        return self.tokens[stream // STREAMS_OF_A_USER]

    def make_tickets(self, count: int) -> list[str]:
        """Tickets of so many streams."""
        connections = [Connection(self.port, token) for token in self.tokens]
        path = "/api/v1/streams/tickets"
        return [connections[place // STREAMS_OF_A_USER].json("POST", path, {})["ticket"] for place in range(count)]

    def sign(self, orders: Iterable[dict[str, Any]], first: int = 0) -> list[dict[str, Any]]:
        """Orders of readers, each with the token of a user; those of one user are at most its streams."""
        return [{**order, "token": self.find_token(first + place)} for place, order in enumerate(orders)]


@dataclass
class Heard:
    """What the readers of one process say, and the processor time that they used [s]."""

    processor_s: float = 0.0
    readers: list[dict[str, Any]] = field(default_factory=list)


class Audience:
    """A process of readers that are connected."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process, self.heard = process, Heard()

    def begin(self) -> None:
        """Count from now on."""
        self._say("begin")

    def end(self) -> Heard:
        """Count no more; what was found."""
        self._say("end")
        assert self._process.stdout is not None
        self.heard = Heard(**json.loads(self._process.stdout.readline()))
        return self.heard

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()


@contextmanager
def reading(port: int, run: UUID, orders: Sequence[dict[str, Any]]) -> Iterator[Audience]:
    """Readers of a run, connected; see `benchmarks.live.readers`."""
    command = [sys.executable, "-m", "benchmarks.live.readers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"port": port, "run": str(run), "readers": list(orders)}) + "\n")
            process.stdin.flush()
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the readers did not connect; what went wrong is above")
            yield Audience(process)
        finally:
            process.kill()


@dataclass
class Watched:
    """Processes that were looked at for a while.

    Args:
        seconds: For how long [s].
        processor_s: Processor time that each used [s].
        memory: Resident memory of each at every look [B].
    """

    seconds: float = 0.0
    processor_s: dict[str, float] = field(default_factory=dict)
    memory: dict[str, list[int]] = field(default_factory=dict)

    def find_share(self, name: str) -> float:
        """Share of a core."""
        return self.processor_s[name] / self.seconds

    def find_swing(self, name: str) -> tuple[int, int]:
        """How far below and above its first value the memory was [B]."""
        values = self.memory[name]
        return min(values) - values[0], max(values) - values[0]

    def find_growth(self, name: str) -> int:
        """From the mean of the first quarter of the time to that of the last, by how much the memory grew [B]."""
        values = self.memory[name]
        quarter = max(1, len(values) // 4)
        return round(statistics.fmean(values[-quarter:]) - statistics.fmean(values[:quarter]))


def watch(processes: dict[str, int], seconds: float) -> Watched:
    """Look at processes for so long."""
    began = time.monotonic()
    used = {name: find_cpu_seconds(pid) for name, pid in processes.items()}
    found = Watched(memory={name: [] for name in processes})
    while (left := began + seconds - time.monotonic()) > 0.0:
        for name, pid in processes.items():
            found.memory[name].append(find_rss_bytes(pid) or 0)
        time.sleep(min(LOOK_S, left))
    found.seconds = time.monotonic() - began
    found.processor_s = {name: find_cpu_seconds(pid) - used[name] for name, pid in processes.items()}
    return found


def watch_with(audiences: Sequence[Audience], processes: dict[str, int], seconds: float) -> Watched:
    """Look at processes while readers count."""
    for audience in audiences:
        audience.begin()
    found = watch(processes, seconds)
    for place, audience in enumerate(audiences):
        found.processor_s[f"readers {place + 1}"] = audience.end().processor_s
    return found


def find_ages(readers: Iterable[dict[str, Any]]) -> list[float]:
    """From the computation of each picture to its arrival [s]."""
    return [arrived - computed for one in readers for _, arrived, computed in one["arrivals"] if computed > 0.0]


def find_moments(readers: Iterable[dict[str, Any]]) -> list[tuple[int, float]]:
    """When ticks were computed, by the pictures of a run, in order: tick and Unix time [s].

    Raises:
        ValueError: There are no pictures.
    """
    moments = {tick: computed for one in readers for tick, _, computed in one["arrivals"] if computed > 0.0}
    if not moments:
        raise ValueError("no pictures tell when ticks were computed")
    return sorted(moments.items())


def find_delays(readers: Iterable[dict[str, Any]], moments: Sequence[tuple[int, float]]) -> list[float]:
    """From the computation of the tick that each message tells of to its arrival [s].

    A tick of which there was no picture was computed on the line between its neighbours; one beyond them is left out.
    """
    found = []
    for tick, arrived in ((tick, arrived) for one in readers for tick, arrived, _ in one["arrivals"]):
        place = bisect.bisect_left(moments, (tick, -math.inf))
        if place < len(moments) and (place > 0 or moments[place][0] == tick):
            (first, began), (last, ended) = moments[max(0, place - 1)], moments[place]
            share = 1.0 if last == first else (tick - first) / (last - first)
            found.append(arrived - (began + share * (ended - began)))
    return found


def find_share(values: Sequence[float], share: float) -> float:
    """The value that so many of 1 do not exceed; NaN where there are none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


def sum_counts(readers: Iterable[dict[str, Any]], name: str) -> Counter[str]:
    """Counts of all readers together."""
    total: Counter[str] = Counter()
    for one in readers:
        total.update(one[name])
    return total


def find_encodings(pictures: Iterable[str]) -> dict[str, tuple[int, int]]:
    """By codec and level, how many different pictures there were, and how many different payloads of them."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for name in pictures:
        kind, number, _ = name.split()
        numbers, payloads = found.setdefault(kind, (set(), set()))
        numbers.add(number)
        payloads.add(name)
    return {kind: (len(numbers), len(payloads)) for kind, (numbers, payloads) in found.items()}


@contextmanager
def reading_all(port: int, run: UUID, groups: Sequence[Sequence[dict[str, Any]]]) -> Iterator[list[Audience]]:
    """Several processes of readers."""
    with ExitStack() as stack:
        yield [stack.enter_context(reading(port, run, orders)) for orders in groups]
