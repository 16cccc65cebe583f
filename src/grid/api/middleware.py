"""Around every request: its id, its log line, the headers of its answer, and an answer to what nobody foresaw.

Plain ASGI, no task and no queue of its own: some 80 us of processor time a request, half of it the log line.
"""

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grid.api.anonymous import LOG, is_known, size_of_head
from grid.api.front_door import BodyGuard, FrontDoor
from grid.api.methods import HeadAsGet
from grid.api.metrics import KNOWN_METHODS, Metrics
from grid.api.problems import LONGEST_PATH, problem
from grid.core.ids import new_id
from grid.core.logging import bound, get_logger
from grid.core.settings import Settings
from grid.core.tracing import find_tracer

log = get_logger(__name__)

REQUEST_ID_HEADER = b"x-request-id"
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_QUIET = frozenset({"/health", "/live", "/ready", "/metrics"})  # asked every few seconds; logged at debug level

# An answer that has one of these already keeps its own: the documentation page has a policy that lets it work.
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
NO_STORE = (b"cache-control", b"no-store")


class RequestContext:
    """The outermost layer of Grid's own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; lifespan events pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        tracer = find_tracer()
        if tracer is None or scope["path"] in _QUIET:
            await self._answer(scope, receive, send)
            return
        with tracer.request(_known_method(scope), _find_traceparent(scope)) as span:
            scope.setdefault("state", {}).update(span=span, trace_id=span.trace_id)
            with bound(trace_id=span.trace_id):
                await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                _complete_headers(message, scope["path"], request_id)
            await send(message)

        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            _write(scope, log.info, "client_went_away", path=_shown(scope["path"]))
        except Exception:  # the last line: whatever it is, the caller gets a problem
            log.exception("request_crashed", method=scope["method"][:16], path=_shown(scope["path"]))
            if not status:
                await problem(HTTPStatus.INTERNAL_SERVER_ERROR, scope)(scope, receive, send_with_headers)
        finally:
            self._account(scope, status, time.perf_counter() - started)
            structlog.contextvars.reset_contextvars(**tokens)

    def _account(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = route_template(scope)
        self.metrics.count(scope["method"], route, status, elapsed_s)
        if "span" in scope["state"]:
            scope["state"]["span"].end(route, status)
        is_quiet = scope["path"] in _QUIET
        client = scope.get("client")
        if not (is_quiet or is_known(scope)):
            LOG.add_credit(size_of_head(scope))
        _write(
            scope,
            log.debug if is_quiet else log.info,
            "http_request",
            method=scope["method"][:16],
            path=_shown(scope["path"]),
            route=route,
            status=status,
            duration_ms=round(elapsed_s * 1e3, 2),
            client=client[0] if client else None,
        )


def _write(scope: Scope, write: Callable[..., Any], event: str, *, path: str, **values: object) -> None:
    """Write a line about a request; of one by nobody known only where it has sent as much."""
    if is_known(scope) or scope["path"] in _QUIET:
        write(event, path=path, **values)
    else:
        LOG.write(write, event, chosen=len(path), path=path, **values)


def _shown(path: str) -> str:
    """Return the start of a path as it is spelt in an address: no byte of it takes more room in the log."""
    return quote(path[:LONGEST_PATH], safe="/:@!$&()*+,;=~-._")


def route_template(scope: Scope) -> str:
    """Return the path of the route that answered, as in `/api/v1/jobs/{job_id}`; never what the caller sent."""
    context = scope.get("fastapi", {}).get("effective_route_context")  # where routers are included
    path = getattr(context, "path", None) or getattr(scope.get("route"), "path", None)
    return str(path) if path else "unmatched"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _SANE_REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return str(new_id())


def _find_traceparent(scope: Scope) -> str | None:
    """Find the caller's context of tracing; whatever it says, the tracer reads it by the W3C's rules."""
    return next((str(value, "latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)


def _known_method(scope: Scope) -> str:
    return str(scope["method"]) if scope["method"] in KNOWN_METHODS else "OTHER"


def _complete_headers(message: Message, path: str, request_id: str) -> None:
    headers = message["headers"] = list(message.get("headers", ()))
    present = {name.lower() for name, _ in headers}
    headers.extend(header for header in SECURITY_HEADERS if header[0] not in present)
    if path.startswith("/api/") and NO_STORE[0] not in present:
        headers.append(NO_STORE)
    headers.append((REQUEST_ID_HEADER, request_id.encode("ascii")))


def install(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Put the layers around `app`; the one that is added last is the outermost."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyGuard)
    app.add_middleware(FrontDoor, settings=settings)
    app.add_middleware(RequestContext, metrics=metrics)
