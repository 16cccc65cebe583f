"""HEAD, which every GET answers (RFC 9110, section 9.3.2), and the methods that an address takes."""

import asyncio

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers HEAD by what GET would begin with; a stream ends after its first word."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else through."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        is_asked, is_answered = False, asyncio.Event()

        async def receive_nothing() -> Message:
            nonlocal is_asked
            if not is_asked:
                is_asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await is_answered.wait()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                is_answered.set()

        headers = [header for header in scope["headers"] if header[0] != b"range"]  # of GET alone (section 14.2)
        asked = {**scope, "method": "GET", "headers": headers}
        try:
            await self.app(asked, receive_nothing, send_head)
        finally:  # what the router found is for the layers outside too
            scope.update({name: value for name, value in asked.items() if name not in {"method", "headers"}})


def find_methods(app: FastAPI, path: str) -> list[str]:
    """Return the methods that an address takes, in alphabetical order."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.path and compile_path(route.path)[0].match(path):
            found |= set(route.methods or ())
    return sorted(found | ({"HEAD"} if "GET" in found else set()))
