"""Loads of one request again and again: clients that wait for each answer, or requests at a fixed rate.

The load shares the machine with what it measures, so a client is a socket and some ready bytes.
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Endpoint:
    """Where a request goes, and what it says."""

    port: int
    path: str
    body: bytes
    token: str | None = None

    @property
    def request(self) -> bytes:
        """The bytes of the whole request."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
        ]
        lines += [f"Authorization: Bearer {self.token}"] if self.token is not None else []
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


class Caller:
    """One kept-alive connection on which one request is sent again and again."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._request = endpoint.request
        self._socket = socket.create_connection(("127.0.0.1", endpoint.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self) -> bytes:
        """Send the request and return the body of the answer.

        Raises:
            RuntimeError: The answer is no success, or the other side went away.
        """
        self._socket.sendall(self._request)
        head, rest = b"", b""
        while not rest:
            piece = self._socket.recv(65_536)
            if not piece:
                raise RuntimeError("The server closed the connection.")
            head, rest, body = (head + piece).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        while length is not None and len(body) < int(length[1]):
            body += self._socket.recv(65_536)
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{head.splitlines()[0]!r}: {body[:300]!r}")
        return body

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@dataclass
class Load:
    """What clients saw: the time that each request took [s], the answers, and the time from first to last [s]."""

    latencies: list[float]
    answers: list[Any]
    seconds: float


def call_in_turn(endpoint: Endpoint, *, clients: int, requests: int) -> Load:
    """Have each of several clients send its share of the requests, the next one as soon as it is answered."""
    latencies: list[float] = []
    bodies: list[bytes] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            with closing(Caller(endpoint)) as caller:
                for _ in range(requests // clients):
                    started = time.perf_counter()
                    body = caller.call()
                    latencies.append(time.perf_counter() - started)
                    bodies.append(body)
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that asked
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if errors:
        raise errors[0]
    return Load(latencies, [json.loads(body) for body in bodies], seconds)


def call_at_rate(endpoint: Endpoint, *, per_s: float, seconds: float) -> Load:
    """Send requests at a fixed rate from one client; one that is late is sent at once."""
    latencies, bodies = [], []
    with closing(Caller(endpoint)) as caller:
        started = time.perf_counter()
        for index in range(round(per_s * seconds)):
            time.sleep(max(0.0, started + index / per_s - time.perf_counter()))
            sent = time.perf_counter()
            bodies.append(caller.call())
            latencies.append(time.perf_counter() - sent)
        elapsed = time.perf_counter() - started
    return Load(latencies, [json.loads(body) for body in bodies], elapsed)


def wait_for(is_done: Callable[[], bool], *, what: str, limit_s: float = 120.0, every_s: float = 0.01) -> None:
    """Ask again and again until it is done.

    Raises:
        RuntimeError: Not within the limit.
    """
    deadline = time.monotonic() + limit_s
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {limit_s:.0f} s")
        time.sleep(every_s)


def is_listening(port: int) -> bool:
    """Tell whether somebody takes connections on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
