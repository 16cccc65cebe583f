"""V4 and V5 in the small: viewers of one run by the WebSocket, with credit; and viewers that read nothing.

The readers take frames and grant them, and decode nothing: what is measured is the server.
"""

import asyncio
import contextlib
import json
import secrets
import statistics
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.live.service import connected, make_burst, make_run, wait_until
from benchmarks.service import Connection, Service
from grid.runtime.processes import find_cpu_seconds, find_rss_bytes

STREAMS_OF_A_USER = 10
RATE = 10.0  # ticks, and frames, a second
CELLS = 512
REST_S = 3.0  # [s] at the begin that do not count
STALLED_S = 20.0  # [s] the stalled viewers are looked at: less than after which they are closed
NUMBER = struct.Struct("<I")


@dataclass
class Viewed:
    """What was found.

    Args:
        viewers: That read.
        seconds: For which they did [s].
        sizes: Of the frames that all of them got [B].
        ages: From the computation of a frame until it was read [s].
        server_s: Processor time of the server meanwhile [s].
        alone_s: The same without viewers, in as long a time [s].
        made: Different frames among those.
        stalled: Viewers that read nothing.
        growth: Of the server's memory by them [B].
        idle: Of the server's memory by as many viewers that subscribe to nothing [B].
    """

    viewers: int
    seconds: float = 0.0
    sizes: list[int] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    server_s: float = 0.0
    alone_s: float = 0.0
    made: set[int] = field(default_factory=set)
    notices: list[dict[str, Any]] = field(default_factory=list)
    stalled: int = 0
    growth: int = 0
    idle: int = 0


class Users:
    """Administrators who look at a run that is another's, as many as the streams need."""

    def __init__(self, service: Service, count: int) -> None:
        self.port, administrator = service.port, service.connect()
        self._tokens = [self._add(administrator, place) for place in range(count)]

    def _add(self, administrator: Connection, place: int) -> str:
        name, password = f"viewer-{secrets.token_hex(4)}-{place}", secrets.token_urlsafe(24)
        administrator.json("POST", "/api/v1/users", {"username": name, "password": password, "role": "admin"})
        return Connection(self.port, "").json("POST", "/api/v1/auth/login", {"username": name, "password": password})[
            "access_token"
        ]

    def make_tickets(self, count: int) -> list[str]:
        """Tickets of so many streams."""
        connections = [Connection(self.port, token) for token in self._tokens]
        path = "/api/v1/streams/tickets"
        return [connections[place // STREAMS_OF_A_USER].json("POST", path, {})["ticket"] for place in range(count)]


async def open_viewer(port: int, ticket: str, run: UUID | None, **members: Any) -> ClientConnection:
    """Open a socket, and ask for frames of a run."""
    viewer = await connect(
        f"ws://127.0.0.1:{port}/api/v1/live", subprotocols=["grid.v1"], compression=None, max_size=None, max_queue=4,
        ping_interval=None,
    )  # fmt: skip
    await viewer.send(json.dumps({"type": "hello", "ticket": ticket}))
    assert json.loads(await viewer.recv())["type"] == "welcome"
    if run is not None:
        words = {"type": "sub", "id": 1, "topic": f"run:{run}:frames", "all": True, "max_hz": RATE, **members}
        await viewer.send(json.dumps(words))
    return viewer


async def read(viewer: ClientConnection, found: Viewed, counts: asyncio.Event) -> None:
    """Read frames and grant each."""
    async for message in viewer:
        if isinstance(message, str):
            found.notices.append(json.loads(message))
            continue
        number = NUMBER.unpack_from(message, 56)[0]
        await viewer.send(json.dumps({"type": "grant", "id": 1, "seq": number}))
        if counts.is_set():
            found.sizes.append(len(message))
            found.ages.append(time.time() - struct.unpack_from("<Q", message, 64)[0] / 1e3)
            found.made.add(number)


async def watch(port: int, tickets: Sequence[str], run: UUID, server: int, seconds: float, **members: Any) -> Viewed:
    """Read with one viewer a ticket, and measure the server."""
    found, counts = Viewed(len(tickets)), asyncio.Event()
    viewers = [await open_viewer(port, ticket, run, **members) for ticket in tickets]
    readers = [asyncio.create_task(read(viewer, found, counts)) for viewer in viewers]
    await asyncio.sleep(REST_S)
    counts.set()
    used, began = find_cpu_seconds(server), time.monotonic()
    await asyncio.sleep(seconds)
    found.server_s, found.seconds = find_cpu_seconds(server) - used, time.monotonic() - began
    for reader in readers:
        reader.cancel()
    for viewer in viewers:
        with contextlib.suppress(Exception):
            await viewer.close()
    return found


async def stall(port: int, tickets: Sequence[str], run: UUID | None, server: int) -> int:
    """Growth of the server's memory by viewers that read nothing behind the welcome [B]."""
    before = find_rss_bytes(server) or 0
    viewers = [await open_viewer(port, ticket, run) for ticket in tickets]
    for viewer in viewers:
        viewer.transport.pause_reading()
    await asyncio.sleep(STALLED_S)
    growth = (find_rss_bytes(server) or 0) - before
    for viewer in viewers:
        viewer.transport.abort()
    return growth


def measure(service: Service, *, seconds: float, viewers: int = 20, stalled: int = 100) -> list[tuple[str, Viewed]]:
    """A run of 512 x 512 cells with a burst on, at ten ticks a second, and its viewers.

    Args:
        service: Under test.
        seconds: For which viewers read [s].
        viewers: That read.
        stalled: That do not.
    """
    users, server = Users(service, -(-stalled // STREAMS_OF_A_USER)), service.pids()["server"]
    rows = []
    with connected(service) as client:
        engine = client.engine
        run = engine.start(**make_run(CELLS, RATE)).id
        wait_until(lambda: engine.show(run).status == "running", "the run ran")
        engine.inject(run, make_burst(CELLS, 100.0 * seconds))
        used = find_cpu_seconds(server)
        time.sleep(seconds)
        alone = find_cpu_seconds(server) - used
        for name, members in (("level 0, deflate", {}), ("level 1, zstd", {"level": 1, "codec": "zstd"})):
            tickets = users.make_tickets(viewers)
            found = asyncio.run(watch(service.port, tickets, run, server, seconds, **members))
            found.alone_s = alone
            rows.append((name, found))
        last = Viewed(0, stalled=stalled)
        last.idle = asyncio.run(stall(service.port, users.make_tickets(stalled), None, server))
        last.growth = asyncio.run(stall(service.port, users.make_tickets(stalled), run, server))
        rows.append(("stalled", last))
        engine.stop(run)
        wait_until(lambda: engine.show(run).status == "stopped", "the run had ended")
    return rows


def print_viewers(rows: Sequence[tuple[str, Viewed]]) -> None:
    """Print what viewers got, and what the server paid."""
    for name, found in rows:
        if found.stalled:
            print(f"\n{found.stalled} viewers that read nothing: memory of the server grew by ", end="")
            print(f"{found.growth / 1e6:.1f} MB, by as many that ask for nothing {found.idle / 1e6:.1f} MB")
            continue
        print_read(name, found)


def print_read(name: str, found: Viewed) -> None:
    """Print what viewers that read got."""
    count, megabytes = len(found.sizes), sum(found.sizes) / 1e6
    ages, spent = sorted(found.ages), found.server_s - found.alone_s
    print(f"\n{found.viewers} viewers of {CELLS} x {CELLS} at {RATE:g} a second, {name}, {found.seconds:.0f} s:")
    print(f"- {count / found.seconds:.0f} frames a second of {megabytes / count * 1e3:.1f} kB", end="")
    print(f" ({count / found.viewers / found.seconds:.2f} a viewer), {len(found.made)} made")
    print(f"- server {found.server_s / found.seconds:.1%} of a core, without viewers ", end="")
    print(f"{found.alone_s / found.seconds:.1%}: {spent / count * 1e3:.2f} ms a frame", end="")
    print(f", {spent / megabytes * 1e3:.2f} ms a MB")
    print(f"- age 50 % {statistics.median(ages) * 1e3:.0f} ms, 95 % {ages[int(0.95 * count)] * 1e3:.0f} ms", end="")
    print(f"; notices: {len(found.notices)}")
