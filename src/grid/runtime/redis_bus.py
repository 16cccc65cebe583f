"""The doorbell between machines: rings are published through Redis to every listener of one installation.

A ring may be lost: whoever missed it looks into the database a little later. Nothing is kept in Redis. The names of
channels hold the installation's identity, since publications cross the numbered databases of one Redis.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from grid.core.errors import GridError, UnavailableError
from grid.core.logging import get_logger

if TYPE_CHECKING:
    from redis import Redis

log = get_logger(__name__)

MOST_WAITING = 256  # rings; of more the oldest are dropped
SOCKET_S = 1.0  # [s] until Redis counts as one that does not answer
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # [s] between two tries, doubled each time
PING_S = 5.0  # [s] a connection that rests longer is asked whether it lives
DEAF_S = 3 * PING_S  # [s] without an answer, after which a subscription is made anew
LOOK_S = 0.5  # [s] how soon a listener that is closed ends its thread

FindInstallation = Callable[[], str]


class RedisLink:
    """A connection to Redis that comes back: its client, its trouble in words, and the pause before the next try.

    Args:
        url: `redis://` or `rediss://`.
        find_installation: Reads the installation's identity; it may raise `GridError` while the database is away.
    """

    def __init__(self, url: str, find_installation: FindInstallation) -> None:
        self._url, self._find_installation = url, find_installation
        self._client: Redis | None = None
        self._installation = ""
        self._failures = 0
        self.problem = ""

    def open(self) -> "Redis":
        """Return the client; nothing is sent before it is used.

        Raises:
            GridError: The installation is not known yet.
        """
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        if not self._installation:
            self._installation = self._find_installation()
        if self._client is None:
            self._client = Redis.from_url(
                self._url,
                socket_timeout=SOCKET_S,
                socket_connect_timeout=SOCKET_S,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
            )
        return self._client

    def channel(self, topic: str) -> str:
        """Return the name under which a topic is published, once `open` has succeeded."""
        return f"grid:{self._installation}:bell:{topic}"

    def work(self) -> None:
        """Note that Redis has just answered."""
        if self.problem:
            log.info("bell.redis_back", failures=self._failures)
        self.problem, self._failures = "", 0

    def fail(self, error: Exception) -> float:
        """Note a failure and drop the connection; return for how long to leave Redis alone [s]."""
        problem = explain(error)
        if problem != self.problem:
            log.warning("bell.redis_lost", problem=problem)
        self.problem, self._failures = problem, self._failures + 1
        self.close()
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that many processes do not come back in step

    def close(self) -> None:
        """Close the connection; the next `open` makes another."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close()


def explain(error: Exception) -> str:
    """Say what is wrong with Redis, without its address: that may hold a password."""
    from redis.exceptions import AuthenticationError, NoPermissionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    if isinstance(error, GridError):
        return "The installation is not known while the database is away."
    if isinstance(error, AuthenticationError):
        return "Redis refuses the name or the password in REDIS_URL."
    if isinstance(error, NoPermissionError):
        return "The user in REDIS_URL may not use the channels grid:*."
    return "Redis does not answer." if isinstance(error, RedisTimeoutError) else "Redis cannot be reached."


def examine(url: str) -> list[tuple[bool, str]]:
    """Return what an operator should know of a Redis: whether it forbids its use, and a sentence.

    Raises:
        UnavailableError: It does not answer, or refuses the password.
    """
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_timeout=SOCKET_S, socket_connect_timeout=SOCKET_S) as client:
            found: dict[str, Any] = client.info()
            policy: str = found.get("maxmemory_policy", "")
    except (RedisError, OSError) as error:
        raise UnavailableError(explain(error)) from error
    told = []
    if found.get("cluster_enabled"):
        told.append((True, "Redis is in cluster mode, where Celery's commands cross slots; use one without."))
    if found.get("maxmemory") and policy not in {"", "noeviction"}:
        told.append(
            (False, f"Redis throws keys away when it is full ({policy}); maxmemory-policy noeviction is better.")
        )
    return told


class RedisDoorbell:
    """Rings through Redis, by one thread that sends. For any number of threads.

    Args:
        url: `redis://` or `rediss://`.
        find_installation: Reads the installation's identity.
        origin: Name of this machine's data folder; its own listeners hear the local bell instead.
    """

    kind = "redis"

    def __init__(self, url: str, find_installation: FindInstallation, *, origin: str = "") -> None:
        self._link, self._origin = RedisLink(url, find_installation), origin
        self._waiting: dict[tuple[str, UUID | None], None] = {}  # in order, each once
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._lost = 0

    @property
    def lost(self) -> int:
        """The number of rings that were dropped."""
        return self._lost

    @property
    def problem(self) -> str:
        """Trouble of Redis in one sentence; empty where there is none."""
        return self._link.problem

    def ring(self, topic: str, hint: UUID | None = None) -> None:
        """Have every listener woken. Never blocks or raises; equal rings that wait become one."""
        with self._changed:
            if self._is_closing:
                return
            self._waiting[topic, hint] = None
            if len(self._waiting) > MOST_WAITING:
                self._waiting.pop(next(iter(self._waiting)))
                self._lost += 1
            self._start()
            self._changed.notify()

    def start(self) -> None:
        """Begin to look after the connection before the first ring, so that `problem` tells of it."""
        with self._changed:
            self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bell-sender", daemon=True)
            with suppress(RuntimeError):  # at the very end of the process
                self._thread.start()

    def close(self) -> None:
        """Send no more; twice is harmless."""
        with self._changed:
            self._is_closing = True
            self._waiting.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread.ident is not None:
            thread.join(2 * SOCKET_S)

    def _run(self) -> None:
        while not self._is_closing:
            ring = self._take()
            try:
                self._send(ring)
            except Exception as error:  # noqa: BLE001 - of redis, sockets, names and the database
                self._lost += ring is not None
                self._pause(self._link.fail(error))
        self._link.close()

    def _take(self) -> tuple[str, UUID | None] | None:
        """Return the next ring; None after a while without one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing, PING_S)
            ring = next(iter(self._waiting), None)
            if ring is not None:
                del self._waiting[ring]
            return ring

    def _send(self, ring: tuple[str, UUID | None] | None) -> None:
        client = self._link.open()
        if ring is None:
            client.ping()
        else:
            topic, hint = ring
            client.publish(self._link.channel(topic), f"{self._origin}:{hint.hex if hint else ''}")
        self._link.work()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing, seconds)


class RedisBellListener:
    """Listens to one topic until closed, by a thread of its own.

    Args:
        url: `redis://` or `rediss://`.
        find_installation: Reads the installation's identity.
        topic: What to listen to.
        origin: Name of a data folder whose rings are left to the local bell.
    """

    def __init__(self, url: str, find_installation: FindInstallation, topic: str, *, origin: str = "") -> None:
        self.last_hint: UUID | None = None
        self.subscriptions = 0  # made so far
        self._link, self._topic, self._origin = RedisLink(url, find_installation), topic, origin
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock, self._is_closed = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"bell-{topic}", daemon=True)
        self.thread.start()

    @property
    def problem(self) -> str:
        """Trouble of Redis in one sentence; empty where there is none."""
        return self._link.problem

    def fileno(self) -> int:
        """Return a descriptor that is readable after a ring, for `select`."""
        return self._event

    def drain(self) -> int:
        """Read all waiting rings and return their number; `last_hint` is the last id that came with one."""
        with self._lock:
            try:
                return 0 if self._is_closed.is_set() else os.eventfd_read(self._event)
            except BlockingIOError:
                return 0

    def close(self) -> None:
        """Stop listening; twice is harmless. The thread ends by itself a moment later."""
        with self._lock:
            if not self._is_closed.is_set():
                self._is_closed.set()
                os.close(self._event)
                self._event = -1

    def _run(self) -> None:
        while not self._is_closed.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - of redis, sockets, names and the database
                self._is_closed.wait(self._link.fail(error))
        self._link.close()

    def _listen(self) -> None:
        """Hear rings until it is closed, or Redis is gone, which raises."""
        client = self._link.open()
        with client.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(self._link.channel(self._topic))
            heard_at = pinged_at = time.monotonic()
            while not self._is_closed.is_set():
                message = subscription.get_message(timeout=LOOK_S)
                now = time.monotonic()
                if message is not None:
                    heard_at = now
                    self._hear(message)
                elif now - heard_at > DEAF_S:
                    raise ConnectionError
                elif now - max(heard_at, pinged_at) > PING_S:
                    pinged_at = now
                    subscription.ping()

    def _hear(self, message: dict[str, Any]) -> None:
        kind, data = message["type"], message["data"]
        self._link.work()
        if kind == "subscribe":
            self.subscriptions += 1
            if self.subscriptions > 1:  # what was rung in between was missed
                self._wake(None)
        elif kind == "message":
            origin, _, text = bytes(data).decode("ascii", "replace").partition(":")
            if not self._origin or origin != self._origin:
                self._wake(text)

    def _wake(self, text: str | None) -> None:
        with self._lock:
            if self._is_closed.is_set():
                return
            if text:
                with suppress(ValueError):
                    self.last_hint = UUID(hex=text)
            os.eventfd_write(self._event, 1)
