"""The process that starts one container, watches it, and ends it at its deadline, also after its supervisor died.

It alone speaks with the engine, so that an engine that hangs never holds up the supervisor; once the container runs, in
threads beside its loop, since an engine that ends a container waits for its output to be read. To the supervisor it
says what the watchdog of a local program says (`started`, `log`, `progress`, `ended`), and receives `cancel`; the end
of the socket means that the supervisor is dead, and ends the container at once. `started` is told when the engine has
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
from grid.runtime.background_calls import BackgroundCalls
from grid.runtime.container_files import (
    MOST_DEPTH,
    InitProcess,
    Written,
    list_foreign_folders,
    make_folder_archive,
    measure,
)
from grid.runtime.container_spec import OUTPUT
from grid.runtime.container_start import CannotStartError, ContainerStart
from grid.runtime.docker_api import Engine, EngineRefusedError, Frames
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
KILLED = 137  # exit code of a container whose first process was killed
REMOVAL_S = 0.3  # [s] from a kill to the removal of a container that somebody removes by force
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
        self.reports, self.calls = Reports(config["control"]), BackgroundCalls()
        self.lines, self.frames = LogLines(config["log_bytes"]), Frames()
        self.output = Path(config["output"])
        self.cause: str | None = None
        self.kill_at, self.is_killed = float("inf"), False
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
        end = self._describe_end()
        self._take_folders_back()
        self.engine.remove(self.container)  # before the end is told: nothing changes the output after that
        self.reports.send(end)
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
        measure_at, inspect_at = 0.0, time.monotonic() + INSPECT_EVERY_S
        with selectors.DefaultSelector() as selector:
            while self.state is None:
                now = time.monotonic()
                if now >= measure_at:
                    measure_at = now + MEASURE_EVERY_S
                    self._enforce_output()
                if now >= inspect_at:
                    self.calls.start("inspect", self._look, self._take_look)
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
        """Read the output only while the supervisor reads, and no faster than the engine should be kept busy.

        Once it is killed all of it is read: the engine waits for that.
        """
        self.room = min(READ_RATE, self.room + READ_RATE * (now - self.room_at))
        self.room_at = now
        wanted = {
            self.calls.fileno(): selectors.EVENT_READ,
            self.reports.fileno(): (0 if self.reports.is_gone else selectors.EVENT_READ)
            | (selectors.EVENT_WRITE if self.reports.unsent else 0),
        }
        if self.stream is not None:
            is_read = self.is_killed or (self.reports.has_room and self.room >= READ_BYTES)
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
        if descriptor == self.calls.fileno():
            self.calls.take()
            return
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
            self.kill_at, self.is_killed = now + INSPECT_EVERY_S, True  # again, should the engine be away
            if self.process is not None:
                self.process.kill()  # whatever the engine does
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
        """Have the engine send a signal; that the container has ended, or the engine is away, is seen otherwise."""
        path = f"/containers/{self.container}/kill"
        self.calls.start(name, lambda: self.engine.post(path, signal=name), lambda _: None)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _look(self) -> dict[str, Any]:
        """Return the state of the container, with what it used while it runs; in a thread."""
        state: dict[str, Any] = self.engine.get(f"/containers/{self.container}/json")["State"]
        if state["Running"] and self.stream is not None:
            with suppress(GridError):  # it may have ended meanwhile
                return {**state, "Usage": self._read_usage()}
        return state

    def _read_usage(self) -> tuple[float, int]:
        """Return processor seconds, and the most memory so far."""
        told = self.engine.get(f"/containers/{self.container}/stats", stream="false", **{"one-shot": "true"})
        cpu = ((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
        memory = told.get("memory_stats") or {}
        return (cpu or 0) / 1e9, memory.get("max_usage") or memory.get("usage") or 0

    def _take_look(self, answer: dict[str, Any] | GridError) -> None:
        """Take in what `_look` found; the state is known when the container has ended."""
        now = time.monotonic()
        if isinstance(answer, EngineRefusedError):
            if answer.status == 404:
                self.state = {"Removed": True}
        elif isinstance(answer, GridError):
            self.was_away = True
            self.away_since = self.away_since or now
            if now - self.away_since >= AWAY_LIMIT_S:
                self._give_up()
            return
        elif answer["Running"]:
            cpu_s, peak_bytes = answer.get("Usage", (0.0, 0))
            self.cpu_s, self.peak_bytes = max(self.cpu_s, cpu_s), max(self.peak_bytes, peak_bytes)
            self._attach_again()
        else:
            self.state = answer
        self.away_since = None

    def _give_up(self) -> None:
        if self.process is not None:
            self.process.kill()
        self.state = {"Removed": True}

    def _attach_again(self) -> None:
        """Read on after the engine was away and the container was not."""
        if self.was_away and self.stream is None:
            self.calls.start("attach", lambda: self.engine.attach(self.container), self._take_stream)

    def _take_stream(self, answer: socket.socket | GridError) -> None:
        if isinstance(answer, socket.socket):
            self.stream, self.frames, self.closed_at = answer, Frames(), None
            answer.setblocking(False)

    def _take_folders_back(self) -> None:
        """Have the engine give folders that the container made to this user, who could not remove them otherwise.

        Only root may do that itself. Folders within folders that cannot be read are found one level at a time.
        """
        if os.geteuid() == 0:
            return
        for _ in range(MOST_DEPTH):
            folders = list_foreign_folders(self.output)
            if not folders:
                return
            try:
                self.engine.put_archive(self.container, OUTPUT, make_folder_archive(folders))
            except GridError:
                return  # they stay behind, and the next start of a worker says so

    def _was_removed(self) -> bool:
        """Return whether somebody removes the container, which looks like a kill at first."""
        time.sleep(REMOVAL_S)
        try:
            self.engine.get(f"/containers/{self.container}/json")
        except EngineRefusedError as error:
            return error.status == 404
        except GridError:
            return False
        return False

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
        is_strange = state.get("ExitCode") == KILLED and self.cause is None and not state.get("OOMKilled")
        if is_strange and self._was_removed():
            state = {"Removed": True}
        if state.get("Removed") and self.cause in (None, "supervisor_gone"):
            return {"type": "ended", "failure": "The container went away while it ran.", **usage}
        return {
            "type": "ended",
            "cause": self.cause,
            "exit_code": state.get("ExitCode", KILLED),
            "is_oom": bool(state.get("OOMKilled")),
            "engine_was_away": self.was_away,
            **usage,
        }
