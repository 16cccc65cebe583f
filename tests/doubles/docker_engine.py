"""A Docker engine in memory, on a real Unix socket: it keeps what it is asked for, and does what a test tells it to."""

import json
import os
import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

IMAGE = "sha256:" + "ab" * 32
MASKED = {"MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"]}


@dataclass
class MemoryContainer:
    """One container: the request that made it, and where it stands."""

    id: str
    name: str
    body: dict[str, Any]
    state: dict[str, Any] = field(default_factory=lambda: {"Running": False, "ExitCode": 0, "Pid": 0})
    signals: list[str] = field(default_factory=list)
    changes: dict[str, Any] = field(default_factory=dict)  # of its HostConfig: flags that the engine does not keep
    output: socket.socket | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def say(self, data: bytes, stream: int = 1) -> None:
        """Write to the attached stream, in a frame."""
        if self.output is not None:
            self.output.sendall(struct.pack(">BxxxI", stream, len(data)) + data)

    def exit(self, code: int = 0, **state: Any) -> None:
        """End, as the engine would see it."""
        self.state = {"Running": False, "ExitCode": code, "Pid": 0, **state}
        self.ended.set()


class MemoryEngine:
    """Answers on `socket`; `program` is called in a thread of its own for each container that starts.

    `answers` replaces answers by the beginning of their path: a status with a message, or "hang".
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker.sock"
        self.containers: dict[str, MemoryContainer] = {}
        self.images: dict[str, dict[str, Any]] = {IMAGE: {"Id": IMAGE, "Os": "linux", "Config": {"Cmd": ["run"]}}}
        self.program: Callable[[MemoryContainer], None] = lambda container: container.exit(0)
        self.answers: dict[str, tuple[int, str]] = {}
        self.drops: dict[str, Any] = {}  # of the HostConfig of every container: what this engine does not keep
        self.asked: list[str] = []
        self.goes_on = threading.Event()  # ends answers that hang
        self.info: dict[str, Any] = {
            "OSType": "linux", "ServerVersion": "20.10.24", "SecurityOptions": ["name=seccomp,profile=default"],
            "MemoryLimit": True, "PidsLimit": True, "CpuCfsQuota": True,
        }  # fmt: skip
        self._server = _Server(str(self.path), _Handler)
        self._server.engine = self
        self.path.chmod(0o660)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def go_away(self) -> None:
        """Stop answering; connections that are open are cut."""
        self._server.shutdown()
        self._server.server_close()
        for container in self.containers.values():
            if container.output is not None:
                with suppress(OSError):
                    container.output.shutdown(socket.SHUT_RDWR)
        self.path.unlink(missing_ok=True)

    def come_back(self) -> None:
        """Answer again, as an engine that began anew."""
        self._server = _Server(str(self.path), _Handler)
        self._server.engine = self
        self.path.chmod(0o660)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.goes_on.set()
        for container in self.containers.values():
            container.ended.set()
        with suppress(OSError):
            self.go_away()

    def find(self, name: str) -> MemoryContainer | None:
        return next((one for one in self.containers.values() if name in (one.id, one.name)), None)

    def describe(self, container: MemoryContainer) -> dict[str, Any]:
        """Return the container as `inspect` shows it."""
        body = container.body
        host = {**body["HostConfig"], **MASKED, **self.drops, **container.changes}
        image = self.images[body["Image"]]["Config"]
        mounts = [
            {"Type": one["Type"], "Source": one["Source"], "Destination": one["Target"], "RW": not one["ReadOnly"]}
            for one in body["HostConfig"]["Mounts"]
        ]
        config = {name: value for name, value in body.items() if name not in ("HostConfig", "NetworkDisabled")}
        own = {line.partition("=")[0] for line in body["Env"]}
        config["Env"] = [*body["Env"], *(one for one in image.get("Env", ()) if one.partition("=")[0] not in own)]
        config["Entrypoint"] = image.get("Entrypoint")
        config["Volumes"] = image.get("Volumes")
        return {
            "Id": container.id, "Image": body["Image"], "State": container.state, "HostConfig": host, "Config": config,
            "Mounts": mounts,
        }  # fmt: skip


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    engine: MemoryEngine

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        engine = self.server.engine
        url = urlsplit(self.path)
        path = re.sub(r"^/v1\.\d+", "", url.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        engine.asked.append(f"{self.command} {path}")
        for beginning, (status, message) in list(engine.answers.items()):
            if f"{self.command} {path}".startswith(beginning) or path.endswith(beginning):
                if message == "hang":
                    engine.goes_on.wait(60)
                return self._answer(status, {"message": message})
        parts = path.strip("/").split("/")
        return self._route(engine, parts, query, body)

    def _route(self, engine: MemoryEngine, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> None:
        match self.command, *parts:
            case "GET", "_ping":
                self._answer(200, "OK")
            case "GET", "info":
                self._answer(200, engine.info)
            case "GET", "images", *name, "json":
                image = engine.images.get("/".join(name))
                self._answer(*((200, image) if image else (404, {"message": "No such image"})))
            case "GET", "containers", "json":
                label, _, value = json.loads(query["filters"])["label"][0].partition("=")
                found = [one for one in engine.containers.values() if one.body["Labels"].get(label) == value]
                self._answer(200, [{"Id": one.id, "Labels": one.body["Labels"]} for one in found])
            case "POST", "containers", "create":
                self._create(engine, query["name"], body)
            case method, "containers", name, *verb:
                container = engine.find(name)
                if container is None:
                    self._answer(404, {"message": "No such container"})
                else:
                    self._act(engine, container, method, "".join(verb), query)
            case _:
                self._answer(404, {"message": "page not found"})

    def _create(self, engine: MemoryEngine, name: str, body: dict[str, Any]) -> None:
        if engine.find(name):
            self._answer(409, {"message": f"Conflict. The container name {name} is already in use"})
            return
        container = MemoryContainer(os.urandom(32).hex(), name, body)
        engine.containers[container.id] = container
        self._answer(201, {"Id": container.id, "Warnings": []})

    def _act(
        self, engine: MemoryEngine, container: MemoryContainer, method: str, verb: str, query: dict[str, str]
    ) -> None:
        match method, verb:
            case "GET", "json":
                self._answer(200, engine.describe(container))
            case "GET", "stats":
                self._answer(200, {"cpu_stats": {"cpu_usage": {"total_usage": 5e8}}, "memory_stats": {"max_usage": 7}})
            case "POST", "attach":
                self._attach(container)
            case "POST", "start":
                container.state = {"Running": True, "ExitCode": 0, "Pid": 0}
                threading.Thread(target=engine.program, args=(container,), daemon=True).start()
                self._answer(204, None)
            case "POST", "kill":
                container.signals.append(query["signal"])
                if query["signal"] == "SIGKILL":
                    container.exit(137)
                self._answer(204, None)
            case "DELETE", "":
                container.ended.set()
                engine.containers.pop(container.id, None)
                self._answer(204, None)

    def _attach(self, container: MemoryContainer) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        self.wfile.flush()
        container.output = self.connection
        container.ended.wait(60)
        self.close_connection = True

    def _answer(self, status: int, document: object) -> None:
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
