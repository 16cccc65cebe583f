"""Slot children on the supervisor's side: start, messages, cause of death. Loads no numerics.

`send` and `receive` carry the messages of `grid.runtime.messages`; a child's descriptor can be waited for together with
others (`selectors`, `multiprocessing.connection.wait`). Killing one is always allowed: whatever it had not stored
completely was not stored at all.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import grid
from grid.core.errors import UnavailableError
from grid.core.settings import Settings
from grid.runtime.environment import (
    find_calibration,
    find_kernel_cache,
    make_child_environment,
    plugin_kernel_folder,
)
from grid.runtime.forkserver import BOOT
from grid.runtime.preload import DEFAULT_REGISTRY
from grid.runtime.processes import (
    ExitReason,
    count_cgroup_oom_kills,
    find_rss_bytes,
    signal_group,
)
from grid.runtime.scratch import make_scratch, remove_orphaned_scratch
from grid.runtime.spool import SPOOL_BYTES, Spool

ChildKind = Literal["small", "large", "live"]
START_LIMIT_S = 120.0  # [s] a cold fork server compiles the serial kernels first
OPEN_FILES = 512  # RLIMIT_NOFILE of a child


class SlotLostError(UnavailableError):
    """The fork server could not make a child; the next start makes a new fork server."""

    code, title = "slot-lost", "A simulation process could not be started"


class SlotChild:
    """One living slot child. Not for several threads at a time, but for `kill`."""

    def __init__(self, kind: ChildKind, tokens: int, connection: Connection, status_pipe: int, scratch: Path) -> None:
        self.kind, self.tokens, self.scratch = kind, tokens, scratch
        self.connection = connection
        self.memory_limit_bytes: int | None = None
        self._status_pipe = status_pipe
        self._report: dict[str, Any] = {}
        self._unread = b""
        self._status_ended = False
        self._was_killed = self._is_oom = False
        self._oom_kills = count_cgroup_oom_kills()

    @property
    def pid(self) -> int:
        """The process number; waits for the start.

        Raises:
            SlotLostError: It was not started.
        """
        return self._read_start("pid")

    @property
    def start_time(self) -> int:
        """Clock ticks since boot at its start: with `pid` the name of this process and of no other."""
        return self._read_start("start_time")

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is a message or the child has ended."""
        return self.connection.fileno()

    def send(self, message: object) -> None:
        """Send a message to the child; silent where it has died, which `receive` reports."""
        with suppress(BrokenPipeError, ConnectionError):
            self.connection.send(message)

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Return whether `receive` would return at once."""
        return self.connection.poll(timeout_s)

    def receive(self) -> object:
        """Return the next message of the child.

        Raises:
            EOFError: The child has ended and sent nothing more.
        """
        try:
            message: object = self.connection.recv()
        except OSError as error:  # reset, or ended in the middle of a message
            raise EOFError from error
        return message

    def rss_bytes(self) -> int:
        """Return the resident memory; 0 for a child that has ended or not yet started."""
        self._read_status(0.0)
        return (find_rss_bytes(self._report["pid"]) or 0) if "pid" in self._report and not self._is_dead else 0

    def is_over_memory(self) -> bool:
        """Return whether it holds more than `memory_limit_bytes`; the caller then calls `kill(is_oom=True)`."""
        return self.memory_limit_bytes is not None and self.rss_bytes() > self.memory_limit_bytes

    def exit_reason(self, timeout_s: float = 2.0) -> ExitReason | None:
        """Return how it ended; None while it lives."""
        self._read_status(timeout_s, until="status")
        if not self._is_dead:
            return None
        if "status" not in self._report:  # the fork server went with it
            return ExitReason(is_oom=self._is_oom, was_killed=self._was_killed)
        status = self._report["status"]
        now = count_cgroup_oom_kills()
        by_kernel = os.WIFSIGNALED(status) and not self._was_killed and (now or 0) > (self._oom_kills or 0)
        return ExitReason.of(status, is_oom=self._is_oom or by_kernel, was_killed=self._was_killed)

    def kill(self, *, is_oom: bool = False) -> ExitReason | None:
        """End the child and all that it started, at once; return how it ended. Twice is harmless."""
        if not self._is_dead:
            self._was_killed, self._is_oom = True, is_oom
            self.connection.close()  # enough for one that is not started yet
            self._read_status(0.0)
            if "pid" in self._report and not self._is_dead:
                signal_group(self._report["pid"], signal.SIGKILL)
                with suppress(ProcessLookupError):  # before its setsid it is in the server's group
                    os.kill(self._report["pid"], signal.SIGKILL)
        reason = self.exit_reason(2.0 if "pid" in self._report else 0.0)
        self._release()
        return reason

    def close(self, timeout_s: float = 1.0) -> ExitReason | None:
        """Close the pipe, so that an idle child exits by itself, and kill it where it does not."""
        self.connection.close()
        reason = self.exit_reason(timeout_s)
        if reason is None:
            return self.kill()
        self._release()
        return reason

    @property
    def _is_dead(self) -> bool:
        return "status" in self._report or self._status_ended

    def _read_start(self, word: str) -> int:
        self._read_status(START_LIMIT_S, until=word)
        if word not in self._report:
            raise SlotLostError("The simulation process was not started.")
        return int(self._report[word])

    def _read_status(self, timeout_s: float, until: str = "status") -> None:
        """Read the fork server's lines about this child, as long as `until` is missing and time is left."""
        deadline = time.monotonic() + timeout_s
        while until not in self._report and not self._status_ended:
            poller = select.poll()
            poller.register(self._status_pipe, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return
            data = os.read(self._status_pipe, 4096)
            self._status_ended = not data
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._report.update(json.loads(line))

    def _release(self) -> None:
        self.connection.close()
        if self._status_pipe >= 0:
            self._status_ended = True  # not read any more, whether the end was seen or not
            os.close(self._status_pipe)
            self._status_pipe = -1
        shutil.rmtree(self.scratch, ignore_errors=True)


class SlotFactory:
    """Makes slot children through one fork server, which is started on first use and again where it died.

    `spool` is the folder where children find what they read and leave what they write (`grid.runtime.spool`).
    """

    def __init__(
        self,
        home: Path,
        spool: Path,
        *,
        spool_bytes: int = SPOOL_BYTES,
        registry: str = DEFAULT_REGISTRY,
        memory_bytes: int | None = None,
        output_bytes: int = 1 << 30,
        compile_ahead: bool = False,
        kernels: str | None = None,
        calibration: str = "off",
        extra_path: tuple[Path, ...] = (),
    ) -> None:
        self.home, self.spool, self.spool_bytes, self.registry = home, spool, spool_bytes, registry
        self.memory_bytes, self.output_bytes = memory_bytes, output_bytes
        self.compile_ahead, self.calibration = compile_ahead, calibration
        self.kernels = find_kernel_cache(home, kernels)
        self._path = [str(Path(grid.__file__).parent.parent), *map(str, extra_path)]
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._server_scratch: Path | None = None
        remove_orphaned_scratch(home)
        self._control: socket.socket | None = None

    @classmethod
    def from_settings(cls, settings: Settings, spool: Spool) -> "SlotFactory":
        """Return a factory with the folders and limits of the settings, whose children use this spool."""
        return cls(
            settings.grid_home,
            spool.root,
            spool_bytes=spool.most_bytes,
            memory_bytes=settings.grid_job_memory_mb << 20,
            output_bytes=settings.grid_output_mb << 20,
            compile_ahead=settings.grid_compile_ahead,
            kernels=settings.grid_kernel_cache,
            calibration=find_calibration(settings.grid_calibration),
        )

    def start(self, kind: ChildKind, *, tokens: int = 1) -> SlotChild:
        """Start a child with so many threads and return at once; its first message is `ChildReady`.

        Raises:
            SlotLostError: Two fork servers in a row could not be reached.
        """
        scratch = make_scratch(self.home)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        status_pipe, status_write = os.pipe2(os.O_CLOEXEC)
        threads = tokens if kind == "large" else 1
        request = {
            "kind": kind,
            "environment": self._environment(scratch, threads=threads),
            "scratch": str(scratch),
            "spool": str(self.spool),
            "spool_bytes": self.spool_bytes,
            "registry": self.registry,
            "output_bytes": self.output_bytes,
            "open_files": OPEN_FILES,
            "path": self._path,
        }
        try:
            self._request(json.dumps(request).encode(), [theirs.fileno(), status_write])
        except SlotLostError:
            ours.close()
            os.close(status_pipe)
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        finally:
            theirs.close()
            os.close(status_write)
        child = SlotChild(kind, tokens, Connection(ours.detach()), status_pipe, scratch)
        child.memory_limit_bytes = self.memory_bytes
        return child

    def warm_up(self) -> None:
        """Start the fork server now, so that the first child need not wait for it."""
        with self._lock:
            self._require_server()

    @property
    def server_pid(self) -> int | None:
        """The fork server's process, if it was started."""
        return self._server.pid if self._server else None

    def close(self) -> None:
        """End the fork server and with it every child."""
        with self._lock:
            self._stop_server()

    def _environment(self, scratch: Path, *, threads: int = 1) -> dict[str, str]:
        return make_child_environment(
            self.home, scratch, threads=threads, kernels=self.kernels, calibration=self.calibration
        )

    def _request(self, request: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for _ in range(2):
                control = self._require_server()
                try:
                    socket.send_fds(control, [request], descriptors)
                except (BrokenPipeError, ConnectionError):
                    self._stop_server()
                else:
                    return
        raise SlotLostError("The fork server ends as soon as it starts; the worker's log says why.")

    def _require_server(self) -> socket.socket:
        if self._server is not None and self._server.poll() is not None:
            self._stop_server()
        if self._control is None:
            scratch = self._server_scratch = make_scratch(self.home)
            plugin_kernel_folder(self.home).mkdir(mode=0o700, parents=True, exist_ok=True)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            config = {
                "module": "grid.runtime.forkserver",
                "path": self._path,
                "registry": self.registry,
                "compile_ahead": self.compile_ahead,
                "control": theirs.fileno(),
            }
            with theirs:
                self._server = subprocess.Popen(
                    [sys.executable, "-I", "-c", BOOT, json.dumps(config)],
                    env=self._environment(scratch),
                    cwd=scratch,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            self._control = ours
        return self._control

    def _stop_server(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            try:
                self._server.wait(2.0)
            except subprocess.TimeoutExpired:  # still compiling, which is not waited for
                self._server.kill()
                self._server.wait()
            self._server = None
        if self._server_scratch is not None:
            shutil.rmtree(self._server_scratch, ignore_errors=True)
