"""The fork server: one small process, without threads, that has the kernels loaded and forks slot children.

It is the parent of every slot child, so that a parent-death signal means the death of this process and not of some
thread of the supervisor. It is our own, and not the one of `multiprocessing`, because that one passes on the whole
environment (with the database's address), imports the supervisor's main module again in each child, and tells
nobody how a child died.

It speaks with the supervisor over one SEQPACKET socket: a JSON request with two descriptors, the child's end of its
connection and the writing end of its status pipe. The status pipe carries one line when the child is born (pid, start
time) and one when it is dead (the wait status). End of file on the socket, at the supervisor's death too, ends all.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import Any, NoReturn

from grid.runtime import compiling
from grid.runtime.environment import replace_environment
from grid.runtime.preload import Registry, count_threads, load_registry, warm_up
from grid.runtime.processes import die_with_parent, find_cpu_seconds, find_descendants, find_start_time, signal_group

# Run as `python -I -c BOOT CONFIG`: isolated from the user's environment, with the paths that we name.
BOOT = (
    "import json, sys; config = json.loads(sys.argv[1]); "
    "sys.path.extend(p for p in config['path'] if p not in sys.path); "
    "from importlib import import_module; import_module(config['module']).main(config)"
)
REQUEST_BYTES = 16 << 10
LOOK_S = 0.25  # between looks at what the others do, while kernels are compiled ahead
STILL_S = 1.0


def main(config: dict[str, Any]) -> NoReturn:
    """Preload, then fork on request until the supervisor hangs up."""
    control = socket.socket(fileno=config["control"])
    registry = load_registry(config["registry"])
    ForkServer(control, config, registry).run()


class ForkServer:
    """The loop: requests in, deaths out."""

    def __init__(self, control: socket.socket, config: dict[str, Any], registry: Registry) -> None:
        self.control, self.config, self.registry = control, config, registry
        self.compiler: subprocess.Popen[bytes] | None = None  # it ends when its work is done, or with this process
        self.pauses = Pauses(os.getppid())
        self.warm: list[str] = []
        self.status_pipes: dict[int, int] = {}  # pid -> writing end
        self.bell, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only the wake-up descriptor matters
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> NoReturn:
        """Serve until end of file, then take the children along."""
        self.warm_up()
        if self.config["compile_ahead"]:
            self.compiler = compiling.start(self.registry, BOOT, self.config)
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            selector.register(self.bell, selectors.EVENT_READ)
            is_open = True
            while is_open:
                for key, _ in selector.select(LOOK_S if self.compiler is not None else None):
                    if key.fd == self.bell:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self.bell, 4096)
                    else:
                        is_open = self.answer()
                self.reap()
                self.tend_compiler()
        for pid in self.status_pipes:
            signal_group(pid, signal.SIGKILL)
        os._exit(0)

    def warm_up(self) -> None:
        """Load what is compiled, so that children have it from birth; what is not, the compiler does first."""
        fresh = warm_up(self.registry, self.warm, compiles=not self.config["compile_ahead"])
        if not fresh:
            return
        self.warm += fresh
        if count_threads() > 1:
            sys.stderr.write("The fork server has threads after warming up, of a plugin; forks are not safe.\n")
        gc.collect()
        gc.freeze()  # children share these pages for as long as nobody's collector writes into them

    def tend_compiler(self) -> None:
        """Stop the compiler while others of the worker compute, and load what it has compiled."""
        if self.compiler is None:
            return
        if self.compiler.poll() is not None:
            self.compiler = None
            self.warm_up()
        elif self.pauses.look(self.compiler.pid):
            self.warm_up()

    def answer(self) -> bool:
        """Fork one child for one request; False at end of file."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, REQUEST_BYTES, 2)
        except ConnectionError:
            return False
        if not data:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # received ones are inheritable otherwise
        connection, status_pipe = descriptors
        request = json.loads(data)
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, too many processes: this child is never born, the others live on
            sys.stderr.write(f"A simulation process could not be forked: {error.strerror}\n")
            os.close(connection)
            os.close(status_pipe)
            return True
        if pid == 0:
            self.become_child(request, connection, status_pipe, parent)
        os.close(connection)
        self.status_pipes[pid] = status_pipe
        _tell(status_pipe, {"pid": pid, "start_time": find_start_time(pid)})
        return True

    def reap(self) -> None:
        """Collect the dead and say how they died."""
        while self.status_pipes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if self.compiler is not None and pid == self.compiler.pid:
                self.compiler.returncode = os.waitstatus_to_exitcode(status)
            status_pipe = self.status_pipes.pop(pid, None)
            if status_pipe is not None:
                _tell(status_pipe, {"status": status})
                os.close(status_pipe)

    def become_child(self, request: dict[str, Any], connection: int, status_pipe: int, parent: int) -> NoReturn:
        """Leave everything of the server behind and be a slot child. Never returns."""
        code = 70
        try:
            os.setsid()
            die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (*self.status_pipes.values(), status_pipe, self.bell, self.control.detach()):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            if request["kind"] == "large":
                _become_large(request, connection)
            replace_environment(request["environment"])
            from grid.runtime import child

            code = child.run({**request, "connection": connection}, self.registry)
        except BaseException:  # noqa: BLE001 - whatever it is, a forked child must not walk up into the server's loop
            import traceback

            sys.stderr.write(traceback.format_exc())
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


class Pauses:
    """Stops the compiler while the worker's other processes compute, and lets it go on when they have been still.

    Args:
        worker: The process whose children these are: slot children by way of the fork server, and programs.
    """

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.is_stopped = False
        self._look_at = self._still_since = 0.0
        self._used: dict[int, float] = {}

    def look(self, compiler: int) -> bool:
        """Look at the processor time of the others, every `LOOK_S`; return whether they have been still for a while."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_S
        others = set(find_descendants(self.worker)) - {compiler, os.getpid()}
        used = {pid: find_cpu_seconds(pid) for pid in others}
        if any(seconds > self._used.get(pid, 0.0) for pid, seconds in used.items()):
            self._still_since = now
        self._used = used
        is_still = now - self._still_since >= STILL_S
        if is_still == self.is_stopped:
            self.is_stopped = not is_still
            with contextlib.suppress(ProcessLookupError):
                os.kill(compiler, signal.SIGSTOP if self.is_stopped else signal.SIGCONT)
        return is_still


def _become_large(request: dict[str, Any], connection: int) -> NoReturn:
    """Start anew, with threads allowed: nothing of the server's memory is shared."""
    os.set_inheritable(connection, True)
    config = {**request, "connection": connection, "module": "grid.runtime.child"}
    environment = request["environment"]
    os.execve(sys.executable, [sys.executable, "-I", "-c", BOOT, json.dumps(config)], environment)  # noqa: S606


def _tell(status_pipe: int, words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the supervisor no longer cares
        os.write(status_pipe, json.dumps(words).encode() + b"\n")
