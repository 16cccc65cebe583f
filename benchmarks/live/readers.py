"""Readers of a run as a process of their own, which is cheap: one loop, nothing decoded.

    python -m benchmarks.live.readers < orders

The first line of orders is JSON: `port`, `run` and `readers`, each with `kind` (frames, notices, events, samples), the
`token` of a user and `members` of its subscription. `bits_per_s` is what a slow link carries; a reader that is
`stalled` reads nothing, and comes back where the server gives it up and it `returns`. The process answers `ready`;
`begin` starts the counting, `end` prints what was found.
"""

import http.client
import json
import os
import select
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.live.wire import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    EventScanner,
    SocketScanner,
    pack_masked,
    pack_words,
    read_picture,
)

READ_BYTES: Final = 256 * 1024
SLOW_BYTES: Final = 32 * 1024  # that the system takes for a reader on a slow link
STALLED_BYTES: Final = 1  # for one that reads nothing: the least that there is, so that its system hides nothing
TURN_S: Final = 0.01  # [s] between two looks at slow links
BURST_S: Final = 0.05  # [s] for which a slow link may make up what it did not carry
LOOK_S: Final = 0.5  # [s] between two looks whether the server has given up a connection
OPEN_S: Final = 20.0
ESTABLISHED: Final = "01"  # of /proc/net/tcp
_SHARED: Final = memoryview(bytearray(READ_BYTES))


@dataclass
class Found:
    """What one reader got while it was counted.

    Args:
        kind: Of the reader.
        messages, bytes: Number of pictures, events or samples, and of all bytes.
        arrivals: Of each, the tick (or the number of an event), the moment of arrival and that of its computation as
            Unix times [s]; the last is 0 where the message does not tell.
        pictures: Of each different picture, codec, level, number and check sum, with how often it came.
        levels: Pictures by level.
        notices: Kinds of notices and of ends, and how often.
        lost: Events or ticks that are missing between two messages.
        gone_s: For how long connections lived that the server gave up [s].
    """

    kind: str
    messages: int = 0
    bytes: int = 0
    arrivals: list[tuple[int, float, float]] = field(default_factory=list)
    pictures: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    gone_s: list[float] = field(default_factory=list)


class Reader:
    """One connection; see the orders."""

    def __init__(self, port: int, run: str, order: dict[str, Any]) -> None:
        self.port, self.run, self.kind, self.token = port, run, str(order["kind"]), str(order["token"])
        self.members = dict(order.get("members", {}))
        self.bytes_per_s = float(order.get("bits_per_s", 0.0)) / 8.0
        self.is_stalled, self.returns = bool(order.get("stalled")), bool(order.get("returns"))
        self.found = Found(self.kind)
        self.is_counting, self.is_gone, self.local_port, self.opened = False, True, 0, 0.0
        self.start_link(time.monotonic())
        self.prepare()

    @property
    def is_slow(self) -> bool:
        """Whether the reader has a slow link."""
        return self.bytes_per_s > 0.0

    def open(self) -> None:
        """Connect, and say what is wanted."""
        self.prepare()
        self.socket = socket.socket()
        if self.is_slow or self.is_stalled:
            taken = STALLED_BYTES if self.is_stalled else SLOW_BYTES
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, taken)
        self.socket.settimeout(OPEN_S)
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = self._open_stream() if self.kind in {"events", "samples"} else self._open_socket()
        self.socket.setblocking(False)
        self.opened, self.local_port = time.monotonic(), self.socket.getsockname()[1]
        self._take(memoryview(rest))
        self.is_gone = False

    def prepare(self) -> None:
        """Forget what was read of a connection before."""
        self._next = -1  # the tick, or the number, that follows what came
        self._pictures, self._events = SocketScanner(), EventScanner()

    def start_link(self, now: float) -> None:
        """Have a slow link carry nothing before a moment of the monotonic clock [s]."""
        self._allowance, self._looked = 0.0, now

    def _open_stream(self) -> bytes:
        path = f"/api/v1/engine/runs/{self.run}/{'events' if self.kind == 'events' else 'metrics'}/stream?all=true"
        self._request(f"GET {path}", f"Authorization: Bearer {self.token}", "Accept: text/event-stream")
        return self._read_head("200")

    def _open_socket(self) -> bytes:
        ticket = make_ticket(self.port, self.token)
        self._request(
            "GET /api/v1/live", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Protocol: grid.v1",
        )  # fmt: skip
        rest = self._read_head("101")
        topic = f"run:{self.run}:{'frames' if self.kind == 'frames' else 'events'}"
        self.socket.sendall(pack_words(type="hello", ticket=ticket))
        while b'"welcome"' not in rest:
            rest += self._receive()
        self.socket.sendall(pack_words(type="sub", id=1, topic=topic, all=True, **self.members))
        return rest

    def _request(self, *lines: str) -> None:
        first, *others = lines
        head = "\r\n".join((f"{first} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *others, "", ""))
        self.socket.sendall(head.encode())

    def _read_head(self, status: str) -> bytes:
        """Read the head of an answer; return what came behind it."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, rest = data.partition(b"\r\n\r\n")
        if head.split()[1] != status.encode():
            raise RuntimeError(f"{self.kind}: {head[:200]!r}")
        return rest

    def _receive(self) -> bytes:
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise RuntimeError(f"{self.kind}: the server has closed the connection")
        return data

    def read(self, now: float) -> None:
        """Take what is there, on a slow link as much as it carries up to a moment of the monotonic clock [s]."""
        limit = READ_BYTES
        if self.is_slow:
            most = BURST_S * self.bytes_per_s
            self._allowance = min(self._allowance + (now - self._looked) * self.bytes_per_s, most)
            self._looked, limit = now, int(self._allowance)
        if limit <= 0:
            return
        try:
            count = self.socket.recv_into(_SHARED, limit)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        self._allowance -= count
        if count == 0:
            self.give_up()
        else:
            self._take(_SHARED[:count])

    def give_up(self) -> None:
        """Note that the server has ended the connection."""
        self.is_gone = True
        self.found.gone_s.append(time.monotonic() - self.opened)
        self.socket.close()

    def _take(self, data: memoryview) -> None:
        self.found.bytes += len(data) * self.is_counting
        if self.kind in {"events", "samples"}:
            for event in self._events.feed(data):
                self._note_event(event.kind, event.id, event.data)
            return
        for message in self._pictures.feed(data):
            if message.opcode == BINARY:
                self._note_picture(message.kept)
            elif message.opcode == TEXT:
                self._note_words(json.loads(message.kept))
            elif message.opcode == PING:
                self.socket.sendall(pack_masked(PONG, message.kept))
            elif message.opcode == CLOSE:
                self._note(f"close {int.from_bytes(message.kept[:2], 'big')}")

    def _note_picture(self, head: bytes) -> None:
        picture = read_picture(head)
        self.socket.sendall(pack_words(type="grant", id=1, seq=picture.number))
        if self.is_counting:
            self.found.messages += 1
            self.found.arrivals.append((picture.tick, time.time(), picture.computed_ms / 1e3))
            self.found.pictures[f"{picture.codec}/{picture.level} {picture.number} {picture.crc}"] += 1
            self.found.levels[str(picture.level)] += 1

    def _note_words(self, words: dict[str, Any]) -> None:
        if words["type"] == "event":
            self._note_event(words["data"]["kind"], words["id"], json.dumps(words["data"]).encode())
        elif words["type"] != "welcome":
            self._note(str(words.get("kind") or words.get("reason") or words["type"]))

    def _note(self, notice: str) -> None:
        self.found.notices[notice] += self.is_counting

    def _note_event(self, kind: str, number: int, data: bytes) -> None:
        if number < 0:
            self._note(kind)
            return
        document = json.loads(data)
        first = document["first_tick"] if self.kind == "samples" else number
        tick = number if self.kind == "samples" else document["tick"]
        if self.is_counting:
            self.found.messages += 1
            self.found.lost += max(0, first - self._next) if self._next >= 0 else 0
            is_now = self.kind == "samples" or kind == "applied"  # other events tell of ticks that were before
            if is_now:
                self.found.arrivals.append((tick, time.time(), 0.0))
        self._next = number if self.kind == "samples" else number + 1


def make_ticket(port: int, token: str) -> str:
    """A ticket for one socket."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=OPEN_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/streams/tickets", body=b"{}", headers=headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["ticket"])


def find_established(port: int, text: str) -> set[int]:
    """Ports of the connections to a port of this machine that its process has not closed.

    What it sent last may lie in the system for ever, where the other side reads nothing: that side sees no end.

    Args:
        port: Of the server.
        text: Contents of `/proc/net/tcp`.
    """
    rows = [line.split()[1:4] for line in text.splitlines()[1:]]
    ours = f":{port:04X}"
    return {int(theirs[-4:], 16) for local, theirs, state in rows if local.endswith(ours) and state == ESTABLISHED}


class Loop:
    """Reads with all readers until it is told to end."""

    def __init__(self, readers: list[Reader]) -> None:
        self._all, self._by_number = readers, dict[int, Reader]()
        self._slow = [reader for reader in readers if reader.is_slow]
        self._stalled = [reader for reader in readers if reader.is_stalled]
        self._epoll, self._counted_from, self._look_due = select.epoll(), 0.0, 0.0
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Read until the orders end; what is open already is read while the rest is opened."""
        threading.Thread(target=self._open, daemon=True).start()
        while True:
            ready, now = self._epoll.poll(TURN_S if self._slow else LOOK_S), time.monotonic()
            for number, _ in ready:
                reader = self._by_number.get(number)
                if reader is not None:
                    reader.read(now)
                elif not self._obey(os.read(sys.stdin.fileno(), 1024)):
                    return
            for reader in self._slow:
                if not reader.is_gone:
                    reader.read(time.monotonic())
            if self._stalled and time.monotonic() >= self._look_due:
                self._look()

    def _open(self) -> None:
        for reader in self._all:
            reader.open()
            if not reader.is_slow and not reader.is_stalled:
                self._by_number[reader.socket.fileno()] = reader
                self._epoll.register(reader.socket, select.EPOLLIN)
        print("ready", flush=True)

    def _look(self) -> None:
        """Find the connections that the server has given up."""
        self._look_due = time.monotonic() + LOOK_S
        alive = find_established(self._all[0].port, Path("/proc/net/tcp").read_text(encoding="ascii"))
        for reader in self._stalled:
            if not reader.is_gone and reader.local_port not in alive:
                reader.give_up()
                if reader.returns:
                    threading.Thread(target=reader.open).start()

    def _obey(self, words: bytes) -> bool:
        if b"begin" in words:
            for reader in self._all:
                reader.is_counting = True
            self._counted_from = time.process_time()
        if words and b"end" not in words:
            return True
        founds = [vars(reader.found) for reader in self._all]
        print(json.dumps({"processor_s": time.process_time() - self._counted_from, "readers": founds}), flush=True)
        return False


def main() -> int:
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as orders_file:  # nothing is read ahead
        orders = json.loads(orders_file.readline())
    readers = [Reader(orders["port"], orders["run"], order) for order in orders["readers"]]
    Loop(readers).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
