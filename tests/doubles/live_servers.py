"""A server of one live run for viewers: its WebSocket on a loopback port, its REST routes as a transport of httpx."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import httpx
from websockets.asyncio.server import serve

from grid.client.client import AsyncGridClient

RUN_ID = UUID("0b2f6a4e-1111-4222-8333-444455556666")


def make_row(**changes) -> dict:
    """A run as `GET /engine/runs/{id}` tells it."""
    now = datetime.now(UTC).isoformat()
    return {
        "id": str(RUN_ID), "name": "", "status": "running", "reason": None, "message": "The run ticks.",
        "scenario": "burst", "wanted": "run", "speed": 1.0, "model": "auto", "rules_version": 1, "tick": 7,
        "time_s": 7.0, "tick_s": "1.0", "rate": 15.0, "steps_per_tick": 4, "method": "explicit", "price_s": 0.001,
        "load_share": 0.1, "seed": 0, "spec_hash": "a", "numerics_version": "b", "platform": "c", "parent_id": None,
        "temperature_unit": "degC", "cells": [64, 64], "has_structure": False,
        "parent_tick": None, "commands": 1, "events": 0, "dropped_events": 0, "losses": 0, "epoch": 1,
        "created_at": now, "started_at": now, "finished_at": None, "sampled_at": now, **changes,
    }  # fmt: skip


def make_command(seq: int = 1, **changes) -> dict:
    """A command as the log tells it."""
    burst = {"kind": "burst", "position_m": [0.1, 0.2], "radius_m": 0.1, "power_w": 5e3, "duration_s": 1.0}
    return {
        "seq": seq, "client_id": "c", "kind": "event", "payload": burst, "at_s": None, "by": None,
        "created_at": datetime.now(UTC).isoformat(), "tick": 3, "outcome": "applied", "reason": None, "effective": None,
        "applied_at": None, **changes,
    }  # fmt: skip


def make_alert_row(number: int = 1, **changes) -> dict:
    """An alert as the list tells it."""
    return {
        "id": str(UUID(int=number)), "run": str(RUN_ID), "rule": "hot", "number": 1, "rule_version": 1,
        "severity": "high", "state": "firing", "cover": None, "metric": "highest", "region": None, "value": 60.0,
        "threshold": 52.0, "first_tick": 4, "first_value": 53.0, "fired_tick": 5, "fired_time_s": 5.0,
        "fired_at": datetime.now(UTC).isoformat(), "ended_tick": None, "ended_at": None, "ended_by": None,
        "acknowledged_at": None, "acknowledged_by": None, "note": None, "inhibited_by": None, "silence": None,
        "incident": None, "summary": "", "labels": {}, "runbook": None, **changes,
    }  # fmt: skip


class LiveServer:
    """What a test tells the monitor, and what the monitor asked."""

    def __init__(self) -> None:
        self.row = make_row()
        self.rules = [{"name": "hot", "metric": "highest", "raise": 52.0, "clear": 40.0}]
        self.commands = [make_command()]
        self.alerts: list[dict] = []
        self.mode = "full"
        self.is_away = False
        self.grid: dict | None = None  # of a picture as JSON
        self.newest: dict | None = None  # the stored metrics
        self.last_frame: bytes | None = None  # of a run that has ended
        self.refusal: tuple[int, dict] | None = None
        self.requests: list[tuple[str, str, dict | None]] = []
        self.messages: list[dict] = []
        self.tickets = 0
        self.address = ""
        self.skew_ms = 0.0
        self._connections: set = set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def served(self):
        """Serve on a free loopback port."""
        async with serve(self._speak, "127.0.0.1", 0, subprotocols=["grid.v1"], compression=None) as server:
            port = server.sockets[0].getsockname()[1]
            self.address = f"http://127.0.0.1:{port}"
            yield self

    def client(self) -> AsyncGridClient:
        """A client whose requests this answers."""
        return AsyncGridClient(self.address, transport=httpx.MockTransport(self._answer))

    async def wait_for(self, kind: str, **members) -> dict:
        """The first message of a kind with these members; taken out of `messages`."""
        async with asyncio.timeout(10.0):
            while True:
                for message in self.messages:
                    if message["type"] == kind and all(message.get(name) == value for name, value in members.items()):
                        self.messages.remove(message)
                        return message
                self._changed.clear()
                await self._changed.wait()

    async def tell(self, message: dict | bytes) -> None:
        """Send a message to every viewer."""
        for connection in list(self._connections):
            await connection.send(message if isinstance(message, bytes) else json.dumps(message))

    async def drop(self, code: int = 1012) -> None:
        """Close every connection."""
        for connection in list(self._connections):
            await connection.close(code)

    async def _speak(self, connection) -> None:
        hello = json.loads(await connection.recv())
        if hello.get("ticket") != f"ticket-{self.tickets}" or self.is_away:
            await connection.close(4401)
            return
        await connection.send(json.dumps({"type": "welcome", "version": "1", "user": "ada"}))
        self._connections.add(connection)
        try:
            async for text in connection:
                message = json.loads(text)
                if message["type"] == "ping":
                    server = time.time() * 1000.0 + self.skew_ms
                    await connection.send(json.dumps({"type": "pong", "t": message["t"], "server": server}))
                    continue
                self.messages.append(message)
                self._changed.set()
        finally:
            self._connections.discard(connection)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, path, body))
        if self.is_away:
            raise httpx.ConnectError("refused", request=request)
        if self.refusal is not None and request.method in ("POST", "PUT") and path != "/streams/tickets":
            status, problem = self.refusal
            return httpx.Response(status, json=problem)
        return self._route(request.method, path, body)

    def _route(self, method: str, path: str, _body) -> httpx.Response:
        run = f"/engine/runs/{RUN_ID}"
        made = {"run": str(RUN_ID), "seq": 9, "client_id": "c", "state": "committed"}
        found = {
            ("GET", run): lambda: self.row,
            ("GET", f"{run}/rules"): lambda: {"version": 1, "rules": self.rules},
            ("GET", f"{run}/commands"): lambda: {"items": self.commands, "next": None},
            ("GET", f"{run}/commands/2"): lambda: make_command(2, kind="model", payload={"model": "lumped"}),
            ("GET", "/alerts"): lambda: {"items": self.alerts, "total": len(self.alerts), "total_is_exact": True,
                                         "page": None, "size": 100, "pages": None, "next": None},
            ("POST", f"/alerts/{UUID(int=1)}/acknowledge"): dict,
            ("POST", f"{run}/branches"): lambda: make_row(id=str(UUID(int=5))),
            ("POST", f"{run}/replays"): lambda: {"jobs": [str(UUID(int=6))]},
        }.get((method, path))  # fmt: skip
        if path == f"{run}/field" and self.grid is not None:
            return httpx.Response(200, json=self.grid)
        if path == f"{run}/frames" and self.last_frame is not None:
            return httpx.Response(200, content=self.last_frame)
        if path == f"{run}/metrics" and self.newest is not None:
            return httpx.Response(200, json=self.newest)
        if path == "/streams/tickets":
            self.tickets += 1
            return httpx.Response(201, json={"ticket": f"ticket-{self.tickets}", "expires_in": 30})
        if found is not None:
            return httpx.Response(200, json=found(), headers={"Grid-Mode": self.mode})
        if path.startswith(f"{run}/") and method in ("POST", "PUT") and path.count("/") == 4:
            return httpx.Response(202, json=made)
        return httpx.Response(
            404, json={"type": "/problems/not-found", "title": "Not found", "detail": "No such thing"}
        )
