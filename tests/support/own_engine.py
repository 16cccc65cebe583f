"""A Docker engine of the test's own, which may be killed and restarted: the machine's is everybody's."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.docker_runs import NAME

PATIENCE_S = 120.0


@dataclass
class OwnEngine:
    """A `dockerd` with its folders, its socket and its containerd."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    containerd: "subprocess.Popen[bytes] | None" = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/d.sock"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Its network is its own: an engine without a bridge removes that of the machine's.
        """
        if self.containerd is None:
            self._start_containerd()
        command = [
            "unshare", "--net", "dockerd", "-H", self.host, "--containerd", str(self.folder / "c.sock"),
            "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "x"),
            "--pidfile", str(self.folder / "pid"), "--bridge", "none", "--iptables=false", "--ip6tables=false",
            "--ip-masq=false", "--userland-proxy=false", "--raw-logs", "--log-level", "error",
        ]  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        self.process = None
        while self.run("version", check=False).returncode != 0:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            if self.process is None or self.process.poll() is not None:  # on a busy machine it may give up
                (self.folder / "pid").unlink(missing_ok=True)
                with (self.folder / "log").open("ab") as log:
                    self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            time.sleep(0.1)

    def _start_containerd(self) -> None:
        """Start a containerd, which lives on when the engine is killed, as that of an init system does."""
        command = [
            "containerd", "--address", str(self.folder / "c.sock"), "--root", str(self.folder / "c"),
            "--state", str(self.folder / "s"), "--log-level", "error",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.containerd = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_S
        while not (self.folder / "c.sock").exists():
            assert time.monotonic() < deadline, "containerd does not begin"
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL the engine alone; containers and their shims live on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM: the engine ends its containers, then itself."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(60)

    def run(self, *words: str, check: bool = True, **options: object) -> "subprocess.CompletedProcess[bytes]":
        """Run the command line of Docker on it."""
        command = ["docker", "-H", self.host, *words]
        return subprocess.run(command, check=check, capture_output=True, **options)  # type: ignore[call-overload,no-any-return]

    def end(self) -> None:
        """End it with everything that it started."""
        self.stop()
        for pid in _find_below(str(self.folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in (self.process, self.containerd):
            if process is not None:
                process.wait(60)
        for path in sorted(_mounts_below(self.folder), reverse=True):
            subprocess.run(["umount", "-l", path], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)


@contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """Yield an engine that has the image of scripts and nothing else."""
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="own-engine-")))
    try:
        engine.start()
        saved = subprocess.run(["docker", "save", NAME], check=True, capture_output=True)
        engine.run("load", input=saved.stdout)
        yield engine
    finally:
        engine.end()


@contextmanager
def relayed(engine: OwnEngine, *words: str) -> Iterator[str]:
    """Yield the address of a relay to an engine, which is killed at the first request whose line has all the words.

    At the end it is started again.
    """
    path = engine.folder / "relay.sock"
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    path.chmod(0o660)
    server.listen()
    threading.Thread(target=_relay, args=(server, engine, [word.encode() for word in words]), daemon=True).start()
    try:
        yield f"unix://{path}"
    finally:
        server.close()
        if engine.process is not None and engine.process.poll() is not None:
            engine.start()


def _relay(server: socket.socket, engine: OwnEngine, words: Sequence[bytes]) -> None:
    """Pass connections on until the server is closed."""
    is_over = False
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        first = client.recv(1 << 16)
        line = first.partition(b"\r\n")[0]
        if not is_over and all(word in line for word in words):
            is_over = True
            engine.kill()
        backend = socket.socket(socket.AF_UNIX)
        try:
            backend.connect(engine.host.removeprefix("unix://"))
        except OSError:
            client.close()
            backend.close()
            continue
        backend.sendall(first)
        for source, target in ((client, backend), (backend, client)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until either end is closed."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()  # the other direction closes the other end


def _find_below(folder: str) -> list[int]:
    """Return the processes whose command line names the folder: the engine's containerd and its shims."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if folder.encode() in Path(entry.path, "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(str(folder))]
