"""The process that starts one container, watches it, and ends it at its deadline, also after its supervisor died.

It alone speaks with the engine, so that an engine that hangs never holds up the supervisor. It says to the supervisor
what the watchdog of a local program says (`started`, `log`, `progress`, `ended`) and receives `cancel`; the end of the
socket means that the supervisor is dead, and ends the container at once. `started` is told when the engine has
confirmed every flag of the container. Standard library only.
"""

import os
import selectors
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from grid.core.errors import GridError
from grid.runtime.container_files import InitProcess, Written, measure
from grid.runtime.container_start import CannotStartError, ContainerStart
from grid.runtime.docker_api import Engine, EngineAwayError, EngineRefusedError, Frames
from grid.runtime.loglines import LogLines
from grid.runtime.processes import hide_from_siblings
from grid.runtime.reports import Reports

READ_BYTES = 64 << 10  # of one read of the output
READ_RATE = 8 << 20  # bytes of output a second; what a container says beyond waits, and costs the engine nothing
MEASURE_EVERY_S = 0.2  # [s] between two measurements of the output
INSPECT_EVERY_S = 2.0  # [s] between two looks at the container while its output is open
CLOSING_EVERY_S = 0.02  # [s] between two looks when its output has ended: it is at its end, or has closed its streams
CLOSING_S = 1.0  # [s] of such looks
AWAY_LIMIT_S = 30.0  # [s] an engine may be away before its run is given up
DRAIN_S = 2.0  # [s] for the rest of the output after the end


def main(config: dict[str, Any]) -> NoReturn:
    """Run one container as `config` says, or only remove one."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the supervisor's command comes over the socket
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    hide_from_siblings()
    engine = Engine(config["engine"])
    if "remove" in config:
        engine.remove(config["remove"], within_s=AWAY_LIMIT_S)
    else:
        ContainerWatchdog(config, engine).run()
    os._exit(0)


class ContainerWatchdog:
    """One run. `cause` is why it was ended: wall_timeout, cancelled, output_too_large, supervisor_gone."""

    def __init__(self, config: dict[str, Any], engine: Engine) -> None:
        self.config, self.engine = config, engine
        self.reports = Reports(config["control"])
        self.lines, self.frames = LogLines(config["log_bytes"]), Frames()
        self.output = Path(config["output"])
        self.cause: str | None = None
        self.kill_at = float("inf")
        self.away_since: float | None = None
        self.was_away = False
        self.stream: socket.socket | None = None
        self.closed_at: float | None = None  # when the stream of its output ended
        self.room, self.room_at = float(READ_RATE), time.monotonic()
        self.state: dict[str, Any] | None = None  # of the container, at its end
        self.process: InitProcess | None = None
        self.written = Written()
        self.most_written, self.cpu_s, self.peak_bytes = 0, 0.0, 0

    def run(self) -> None:
        """Start the container, watch it to its end, and report how it ended."""
        try:
            start = ContainerStart(self.engine, self.config, self.require_supervisor)
            self.container, self.image_id, self.stream, pid = start.run()
        except CannotStartError as error:
            self.reports.send({"type": "ended", **error.report})
            self.reports.flush_before_exit()
            return
        self.began = time.monotonic()
        self.deadline = self.began + self.config["wall_s"]
        self.process = InitProcess.find(pid, self.container)
        self.reports.send(
            {
                "type": "started",
                "pid": pid,
                "start_time": self.process.start_time if self.process else None,
                "container": self.container,
            }
        )
        self.stream.setblocking(False)
        self._watch()
        self._drain()
        self._measure()
        self.engine.remove(self.container)  # before the end is told: nothing changes the output after that
        self.reports.send(self._describe_end())
        self.reports.flush_before_exit()

    def require_supervisor(self) -> None:
        """Refuse to go on with a start that nobody waits for.

        Raises:
            CannotStartError: The supervisor is dead, or has cancelled the run.
        """
        if self.reports.receive() == "cancel":
            raise CannotStartError("You cancelled the job.", "cancelled_by_user")
        if self.reports.is_gone:
            raise CannotStartError("The worker has ended.")

    def _watch(self) -> None:
        """Serve the output, the supervisor and the clock until the container has ended."""
        measure_at = inspect_at = 0.0
        with selectors.DefaultSelector() as selector:
            while self.state is None:
                now = time.monotonic()
                if now >= measure_at:
                    measure_at = now + MEASURE_EVERY_S
                    self._enforce_output()
                if now >= inspect_at:
                    self._inspect(now)
                    inspect_at = now + self._pause(now)
                self._enforce_deadlines(now)
                self._register(selector, now)
                until = min(measure_at, inspect_at, self.kill_at, self.deadline if self.cause is None else measure_at)
                was_closed = self.closed_at
                for key, events in selector.select(max(0.0, until - time.monotonic())):
                    self._serve(key.fd, events)
                if self.closed_at is not was_closed:
                    inspect_at = 0.0  # the end, most likely

    def _pause(self, now: float) -> float:
        is_closing = self.closed_at is not None and now - self.closed_at < CLOSING_S
        return CLOSING_EVERY_S if is_closing and self.away_since is None else INSPECT_EVERY_S

    def _register(self, selector: selectors.BaseSelector, now: float) -> None:
        """Read the output only while the supervisor reads, and no faster than the engine should be kept busy."""
        self.room = min(READ_RATE, self.room + READ_RATE * (now - self.room_at))
        self.room_at = now
        wanted = {
            self.reports.fileno(): (0 if self.reports.is_gone else selectors.EVENT_READ)
            | (selectors.EVENT_WRITE if self.reports.unsent else 0),
        }
        if self.stream is not None:
            is_read = self.reports.has_room and self.room >= READ_BYTES
            wanted[self.stream.fileno()] = selectors.EVENT_READ if is_read else 0
        registered = {key.fd: key.events for key in selector.get_map().values()}
        for descriptor in registered.keys() | wanted.keys():
            events = wanted.get(descriptor, 0)
            if registered.get(descriptor, 0) != events:
                if descriptor in registered:
                    selector.unregister(descriptor)
                if events:
                    selector.register(descriptor, events)

    def _serve(self, descriptor: int, events: int) -> None:
        if descriptor != self.reports.fileno():
            self._read_output()
            return
        if events & selectors.EVENT_WRITE:
            self.reports.flush()
        if events & selectors.EVENT_READ:
            if self.reports.receive() == "cancel":
                self._end("cancelled", grace_s=self.config["grace_s"])
            elif self.reports.is_gone:
                self._end("supervisor_gone")

    def _read_output(self) -> bool:
        """Read once; False at the end of the stream or where nothing is there."""
        if self.stream is None:
            return False
        try:
            data = self.stream.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.room -= len(data)
        for piece in self.frames.feed(data):
            for message in self.lines.feed(piece):
                self.reports.send(message)
        if not data:
            self._close_stream()
        return bool(data)

    def _close_stream(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream, self.closed_at = None, time.monotonic()

    # -- limits --------------------------------------------------------------------------------------------------------

    def _enforce_output(self) -> None:
        self._measure()
        if self.written.is_beyond or self.most_written > self.config["output_bytes"]:
            self._end("output_too_large")

    def _measure(self) -> None:
        """Measure what the container wrote, with files that have no name any more where they can be seen."""
        self.written = measure(self.output)
        unlinked = 0
        if self.process is not None:
            with suppress(OSError):
                unlinked = self.process.measure_unlinked(self.output.stat().st_dev)
        self.most_written = max(self.most_written, self.written.size + unlinked)

    def _enforce_deadlines(self, now: float) -> None:
        for message in self.lines.tick(now):
            self.reports.send(message)
        if now >= self.deadline and self.cause is None:
            self._end("wall_timeout")
        if now >= self.kill_at:
            self.kill_at = now + INSPECT_EVERY_S  # again, should the engine be away
            self._signal("SIGKILL")

    def _end(self, cause: str, grace_s: float = 0.0) -> None:
        """End the container: the first cause counts, a later one may only hurry it."""
        self.cause = self.cause or cause
        if grace_s <= 0:
            self.kill_at = min(self.kill_at, time.monotonic())
        elif self.kill_at == float("inf"):
            self.kill_at = time.monotonic() + grace_s
            self._signal("SIGTERM")

    def _signal(self, name: str) -> None:
        """Send a signal by the engine; where it is away, a kill goes to the process itself."""
        try:
            self.engine.post(f"/containers/{self.container}/kill", signal=name)
        except EngineRefusedError:
            return  # it has ended
        except GridError:
            if name == "SIGKILL" and self.process is not None:
                self.process.kill()

    # -- the end -------------------------------------------------------------------------------------------------------

    def _inspect(self, now: float) -> None:
        """Look at the container; its state is known when it has ended."""
        try:
            state = self.engine.get(f"/containers/{self.container}/json")["State"]
            if state["Running"]:
                if self._pause(now) == INSPECT_EVERY_S:
                    self._read_usage()
                self._attach_again()
            else:
                self.state = state
        except EngineRefusedError as error:
            if error.status == 404:
                self.state = {"Removed": True}
        except EngineAwayError:
            self.was_away = True
            self.away_since = self.away_since or now
            if now - self.away_since >= AWAY_LIMIT_S:
                self._give_up()
            return
        self.away_since = None

    def _give_up(self) -> None:
        if self.process is not None:
            self.process.kill()
        self.state = {"Removed": True}

    def _attach_again(self) -> None:
        """Read on after the engine was away and the container was not."""
        if self.was_away and self.stream is None:
            with suppress(GridError):
                self.stream = self.engine.attach(self.container)
                self.stream.setblocking(False)
                self.frames, self.closed_at = Frames(), None

    def _read_usage(self) -> None:
        told = self.engine.get(f"/containers/{self.container}/stats", stream="false", **{"one-shot": "true"})
        cpu = ((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
        memory = told.get("memory_stats") or {}
        self.cpu_s = max(self.cpu_s, (cpu or 0) / 1e9)
        self.peak_bytes = max(self.peak_bytes, memory.get("max_usage") or memory.get("usage") or 0)

    def _drain(self) -> None:
        """Read the rest of the output, for a bounded time."""
        deadline = time.monotonic() + DRAIN_S
        while self.stream is not None and time.monotonic() < deadline:
            if not self._read_output() and self.stream is not None:
                time.sleep(0.005)
        self._close_stream()
        for message in self.lines.end():
            self.reports.send(message)

    def _describe_end(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "wall_s": round(time.monotonic() - self.began, 6),
            "cpu_s": round(self.cpu_s, 6) or None,
            "max_rss_bytes": self.peak_bytes or None,
            "output_bytes": self.written.size,
            "written_bytes": self.most_written,
            "container_id": self.container,
            "image_id": self.image_id,
        }
        state = self.state or {}
        if state.get("Removed") and self.cause in (None, "supervisor_gone"):
            return {"type": "ended", "failure": "The container went away while it ran.", **usage}
        return {
            "type": "ended",
            "cause": self.cause,
            "exit_code": state.get("ExitCode", 137),
            "is_oom": bool(state.get("OOMKilled")),
            "engine_was_away": self.was_away,
            **usage,
        }
