"""Requests refused before any route sees them: of other hosts, of other sites, with giant, slow or compressed bodies.

A service on loopback is reachable from every web page that its user opens (DNS rebinding, cross-site requests), so
hosts and origins are compared exactly, with nobody trusted for their prefix.
"""

import asyncio
import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grid.api.problems import RETRY_AFTER_S, problem
from grid.core.settings import Settings

BODY_BYTES = 100 * 1024  # [B] of a body; more than any route but the next needs
LARGE_BODY_BYTES = 16 * 1024 * 1024  # [B] of a sweep: ten thousand points of some 1.6 kB
LARGE_BODIES = frozenset({("POST", "/api/v1/jobs")})  # a sweep of ten thousand points
BODY_TIMEOUT_S = 20.0  # for a body, and one second more for each `LEAST_PER_S` that has come: a drip buys nothing
LEAST_PER_S = 64 * 1024  # [B/s] slowest body that is waited for
BODIES_BYTES = 96 * 1024 * 1024  # of all bodies under way together, until their requests are answered
SMALL_BODIES_BYTES = 16 * 1024 * 1024  # of these, what large ones leave to the others, such as logins
URL_BYTES = 8 * 1024  # [B] as other servers allow (nginx, Apache)
HEADER_BYTES = 32 * 1024  # [B] of all header lines together, tokens and cookies of proxies among them
HEADER_COUNT = 100  # lines of a header, as Apache allows

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PAGE_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # of the page that asks
_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - compared with, never bound to
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{1,5})?")


class FrontDoor:
    """Checks what can be told from a request's line and header."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = allowed_hosts(settings)
        self.origins = frozenset(origin.lower().rstrip("/") for origin in settings.grid_allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        if scope["type"] == "http" and (status := self.refusal(scope)) is not None:
            await problem(status, scope)(scope, receive, send)
            return
        if scope["type"] == "websocket" and self._handshake_refusal(scope):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})  # before it is accepted: a 403
            return
        await self.app(scope, receive, send)

    def refusal(self, scope: Scope) -> int | None:
        """Return the status to refuse with; None where nothing speaks against the request."""
        headers = Headers(scope=scope)
        return self._handshake_refusal(scope) or _body_refusal(scope, headers)

    def _host_refusal(self, headers: Headers) -> int | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return HTTPStatus.BAD_REQUEST
        match = _HOST.fullmatch(hosts[0].lower())
        return None if match and match[1] in self.hosts else HTTPStatus.MISDIRECTED_REQUEST

    def _site_refusal(self, scope: Scope, headers: Headers) -> int | None:
        if origins := headers.getlist("origin"):  # a browser names the page that asks, whenever it is another site's
            scheme = _PAGE_SCHEMES.get(scope.get("scheme", "http"), "http")
            own = f"{scheme}://{headers['host']}".lower()
            is_welcome = len(origins) == 1 and origins[0].lower() in self.origins | {own}
            return None if is_welcome else HTTPStatus.FORBIDDEN
        if scope.get("method") in _SAFE and not _is_stream(scope, headers):
            return None  # a link on another site may lead here
        foreign = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
        return HTTPStatus.FORBIDDEN if foreign else None

    def _handshake_refusal(self, scope: Scope) -> int | None:
        headers = Headers(scope=scope)
        return _size_refusal(scope) or self._host_refusal(headers) or self._site_refusal(scope, headers)


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the host names that the server answers to."""
    own = settings.grid_host.lower()
    named = () if own in _WILDCARDS else (f"[{own}]" if ":" in own else own,)
    return _LOOPBACK | frozenset(named) | frozenset(host.lower() for host in settings.grid_allowed_hosts)


def _size_refusal(scope: Scope) -> int | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > URL_BYTES:
        return HTTPStatus.REQUEST_URI_TOO_LONG
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > HEADER_BYTES or len(scope["headers"]) > HEADER_COUNT:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return None


def _is_stream(scope: Scope, headers: Headers) -> bool:
    return scope["path"].endswith("/stream") or "text/event-stream" in headers.get("accept", "")


def _body_refusal(scope: Scope, headers: Headers) -> int | None:
    if not _has_body(headers):
        return None
    if headers.get("content-encoding", "identity").lower() != "identity":
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE  # a few bytes could unpack to gigabytes
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    if media_type.strip() != "application/json" or parameters.strip() not in {"", "charset=utf-8", 'charset="utf-8"'}:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > body_limit(scope) else None


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def body_limit(scope: Scope) -> int:
    """Return the most bytes that the body of this request may have."""
    return LARGE_BODY_BYTES if (scope["method"], scope["path"]) in LARGE_BODIES else BODY_BYTES


class BodyBudget:
    """Counts the bytes of all bodies under way, so that many at once are refused instead of held."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int, *, is_large: bool) -> bool:
        """Count bytes that came, if there is room for them."""
        if self.used + size > BODIES_BYTES - (SMALL_BODIES_BYTES if is_large else 0):
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Count bytes that are held no longer."""
        self.used -= size


class BodyGuard:
    """Counts and times what arrives, so that a body without a length is no way around the limits."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.budget = BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a `receive` that raises 413, 408 or 503; a request without a body costs nothing."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        limit, loop = body_limit(scope), asyncio.get_running_loop()
        started = loop.time()
        total, is_complete = 0, False

        async def guarded() -> Message:
            nonlocal total, is_complete
            if is_complete:  # what comes now says that the caller has gone, and may come late
                return await receive()
            try:
                async with asyncio.timeout_at(started + BODY_TIMEOUT_S + total / LEAST_PER_S):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
            size = len(message.get("body", b""))
            if total + size > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if not self.budget.take(size, is_large=limit > BODY_BYTES):
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})
            total += size
            is_complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        try:
            await self.app(scope, guarded, send)
        finally:
            self.budget.give_back(total)
