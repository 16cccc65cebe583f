"""The header `Grid-Mode` of every answer about live runs: `full`, or what works with less than usual."""

import re
from collections.abc import Callable
from uuid import UUID

from anyio.to_thread import run_sync
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grid.services.mode_board import ModeBoard

PREFIX = "/api/v1/engine"
NAME = b"grid-mode"
_RUN = re.compile(r"/api/v1/engine/runs/([0-9a-fA-F-]{36})(?:/|\Z)")


class ModeHeader:
    """Adds the header. Of a run it tells only those who may see the run: in good answers."""

    def __init__(self, app: ASGIApp, find_board: Callable[[], ModeBoard]) -> None:
        self.app, self._find_board = app, find_board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever is not about live runs passes through."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        board = self._find_board()
        if not board.is_fresh:
            await run_sync(board.refresh)

        async def send_with_mode(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_good = 200 <= int(message["status"]) < 300
                run_id = find_run(scope["path"]) if is_good else None
                mode = board.describe(run_id, refreshes=False).encode("ascii")
                message["headers"] = [*message.get("headers", ()), (NAME, mode)]
            await send(message)

        await self.app(scope, receive, send_with_mode)


def find_run(path: str) -> UUID | None:
    """Return the run that a path names; None where it names none."""
    match = _RUN.match(path)
    try:
        return UUID(match[1]) if match else None
    except ValueError:
        return None
