"""The process that starts one local program, limits it, and ends it at its deadline, also after its supervisor died.

It speaks with the supervisor over one SEQPACKET socket, JSON each way. It sends `started`, `log`, `progress`, `ended`
and receives `cancel`. End of file on the socket means that the supervisor is dead, and ends the program at once. While
the supervisor does not listen, the program's own output is not read: its pipe fills and it waits, and the deadline
still holds. Standard library only.
"""

import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from grid.runtime.loglines import LogLines
from grid.runtime.processes import (
    adopt_orphans,
    count_cgroup_oom_kills,
    die_with_parent,
    find_descendants,
    find_rss_bytes,
    find_start_time,
    find_unlinked_files,
    hide_from_siblings,
    limit_resource,
    signal_group,
)
from grid.runtime.reports import Reports

READ_BYTES = 16 << 10  # of one read of the output: a quarter of a pipe on Linux, so that timers are looked at between
MEASURE_EVERY_S = 0.2  # [s] between two measurements of memory and output
MAX_DRAIN_READS = 64  # after the end, should something keep the pipe open and full


def main(config: dict[str, Any]) -> NoReturn:
    """Run one program as `config` says."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the supervisor's command comes over the socket
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    adopt_orphans()
    hide_from_siblings()
    Watchdog(config).run()
    os._exit(0)


class Watchdog:
    """One run. `cause` is the reason of its end: wall_timeout, cancelled, oom, output_too_large, supervisor_gone."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.reports = Reports(config["control"])
        self.lines = LogLines(config["log_bytes"])
        self.cause: str | None = None
        self.kill_at = float("inf")
        self.has_output = True  # the program, or a process that inherited it, holds the pipe
        self.wait_status: int | None = None
        self.cpu_s, self.peak_bytes, self.written = 0.0, 0, 0
        self.oom_kills = count_cgroup_oom_kills()
        self.bell, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        """Start the program, watch it to its end, and report how it ended."""
        self.output, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(writing, True)
        self.started = time.monotonic()
        self.deadline = self.started + self.config["wall_s"]
        try:
            self.program = self._start(writing)
        except OSError as error:
            self.reports.send({"type": "ended", "failure": f"The program could not be started ({error.strerror})."})
            self.reports.flush_before_exit()
            return
        finally:
            os.close(writing)
        self.reports.send({"type": "started", "pid": self.program.pid, "start_time": find_start_time(self.program.pid)})
        self._watch()
        self._clean_up()
        self.reports.send(self._describe_end())
        self.reports.flush_before_exit()

    def _start(self, writing: int) -> "subprocess.Popen[bytes]":
        watchdog, config = os.getpid(), self.config

        def limit() -> None:  # in the child; this process has one thread, so that is safe
            signal.set_wakeup_fd(-1)
            for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD"):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            os.umask(0o077)
            limit_resource(resource.RLIMIT_CORE, 0)
            limit_resource(resource.RLIMIT_NOFILE, config["open_files"])
            limit_resource(resource.RLIMIT_FSIZE, config["output_bytes"])
            seconds = max(1, round(config["cpu_s"]))
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))  # SIGXCPU, then SIGKILL
            die_with_parent(watchdog)

        return subprocess.Popen(
            config["argv"],
            env=config["environment"],
            cwd=config["folder"],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            close_fds=True,
            start_new_session=True,
            preexec_fn=limit,  # noqa: PLW1509
        )

    def _watch(self) -> None:
        """Serve the pipe, the socket and the clock until the program has ended."""
        measure_at = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(self.bell, selectors.EVENT_READ)
            while self.wait_status is None:
                now = time.monotonic()
                if now >= measure_at:
                    measure_at = now + MEASURE_EVERY_S
                    self._measure_usage()
                self._enforce_deadlines(now)
                self._register(selector)
                pause = min(measure_at, self.deadline if self.cause is None else measure_at, self.kill_at) - now
                for key, events in selector.select(max(0.0, pause)):
                    self._serve(key.fd, events)
                self._reap()

    def _register(self, selector: selectors.BaseSelector) -> None:
        """Read the program's output only while the supervisor reads messages."""
        wanted = {
            self.output: selectors.EVENT_READ if self.has_output and self.reports.has_room else 0,
            self.reports.fileno(): (0 if self.reports.is_gone else selectors.EVENT_READ)
            | (selectors.EVENT_WRITE if self.reports.unsent else 0),
        }
        registered = {key.fd: key.events for key in selector.get_map().values()}
        for descriptor, events in wanted.items():
            if registered.get(descriptor, 0) != events:
                if descriptor in registered:
                    selector.unregister(descriptor)
                if events:
                    selector.register(descriptor, events)

    def _serve(self, descriptor: int, events: int) -> None:
        if descriptor == self.bell:
            with suppress(BlockingIOError):
                os.read(self.bell, 4096)
        elif descriptor == self.output:
            self._read_output()
        else:
            if events & selectors.EVENT_WRITE:
                self.reports.flush()
            if events & selectors.EVENT_READ:
                self._read_command()

    def _read_command(self) -> None:
        if self.reports.receive() == "cancel":
            self._end("cancelled", grace_s=self.config["grace_s"])
        elif self.reports.is_gone:
            self._end("supervisor_gone")

    def _read_output(self) -> bool:
        """Read once; False at end of file or where nothing is there."""
        try:
            data = os.read(self.output, READ_BYTES)
        except BlockingIOError:
            return False
        for message in self.lines.feed(data) if data else self.lines.end():
            self.reports.send(message)
        if not data:
            self.has_output = False
        return bool(data)

    def _enforce_deadlines(self, now: float) -> None:
        for message in self.lines.tick(now):
            self.reports.send(message)
        if now >= self.deadline and self.cause is None:
            self._measure_usage()  # the deadline may pass between two measurements on a slow machine
            self._end("wall_timeout")
        if now >= self.kill_at:
            self.kill_at = float("inf")
            self._kill_all()

    def _measure_usage(self) -> None:
        """Measure what all processes of the run hold together, and what they wrote: output and temporary files."""
        pids = find_descendants(os.getpid())
        resident = sum(find_rss_bytes(pid) or 0 for pid in pids)
        self.peak_bytes = max(self.peak_bytes, resident)
        if resident > self.config["memory_bytes"]:
            self._end("oom")
        elif self._measure_written(pids) > self.config["output_bytes"]:
            self._end("output_too_large")

    def _measure_written(self, pids: Iterable[int]) -> int:
        """Return the bytes of all files below the run's folder, with those that were unlinked and are still open."""
        self.written = _measure(Path(self.config["measured"])) + sum(
            {place: size for pid in pids for place, size in find_unlinked_files(pid)}.values()
        )
        return self.written

    def _end(self, cause: str, grace_s: float = 0.0) -> None:
        """End the program: the first cause counts, a later one may only hurry it."""
        self.cause = self.cause or cause
        if grace_s <= 0:
            self.kill_at = 0.0
        elif self.kill_at == float("inf"):
            self.kill_at = time.monotonic() + grace_s
            signal_group(self.program.pid, signal.SIGTERM)

    def _kill_all(self) -> None:
        signal_group(self.program.pid, signal.SIGKILL)
        for pid in find_descendants(os.getpid()):  # those that left the group
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Collect the program, and orphans that this process adopted."""
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                self.cpu_s += usage.ru_utime + usage.ru_stime
                self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)
                if pid == self.program.pid:
                    self.wait_status = status
                    self.program.returncode = os.waitstatus_to_exitcode(status)

    def _clean_up(self) -> None:
        """End every process that the program left, and read the rest of its output."""
        while find_descendants(os.getpid()):
            self._kill_all()
            time.sleep(0.01)
            self._reap()
        self._reap()
        for _ in range(MAX_DRAIN_READS):
            if not self.has_output or not self._read_output():
                break
        for message in self.lines.end():
            self.reports.send(message)

    def _describe_end(self) -> dict[str, Any]:
        return {
            "type": "ended",
            "cause": "oom" if self._is_oom() else self.cause,
            "wait_status": self.wait_status,
            "wall_s": round(time.monotonic() - self.started, 6),
            "cpu_s": round(self.cpu_s, 6),
            "max_rss_bytes": self.peak_bytes,
            "output_bytes": _measure(Path(self.config["output"])),
            "written_bytes": self.written,
        }

    def _is_oom(self) -> bool:
        """Return whether memory is the reason of the end, or should have been.

        The kernel keeps the peak of each process that has ended, so that the answer does not depend on the time of the
        last measurement: a run over its memory counts as such, also where its end or the deadline came first.
        """
        if self.cause in {"cancelled", "supervisor_gone", "output_too_large"}:
            return False
        if self.peak_bytes > self.config["memory_bytes"]:
            return True
        kills = (count_cgroup_oom_kills() or 0) - (self.oom_kills or 0)
        return self.cause is None and kills > 0 and os.WIFSIGNALED(self.wait_status or 0)


def _measure(folder: Path) -> int:
    """Return the bytes of all files below a folder; links are not followed, unreadable folders are made readable."""
    total = 0
    if folder.is_symlink():  # `os.walk` would follow the first one, to the root of all files if need be
        return 0
    for path, _, names in os.walk(folder, onerror=_open_up):
        for name in names:
            with suppress(OSError):
                total += Path(path, name).lstat().st_size
    return total


def _open_up(error: OSError) -> None:
    """Make a folder readable that the program made unreadable; the next measurement counts its files."""
    if isinstance(error, PermissionError) and error.filename:
        with suppress(OSError):
            os.chmod(error.filename, 0o700, follow_symlinks=False)  # noqa: PTH101 - as it came
