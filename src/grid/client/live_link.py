"""What every viewer of the WebSocket `/api/v1/live` needs to know: its address, protocol and limits."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from websockets.typing import Subprotocol

from grid.client.calls import API

SUBPROTOCOL: Final = Subprotocol("grid.v1")
OPEN_S: Final = 5.0  # [s] for the handshake, and for the answer to `hello`
MOST_BYTES: Final = 9 << 20  # of a message: a frame has 8 MiB at most
Ticket = Callable[[], Awaitable[str]]  # gets a ticket, which opens one connection


def socket_url(address: str) -> str:
    """Return the address of the socket of a server such as `http://127.0.0.1:8000`."""
    parts = urlsplit(address)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}{API}/live", "", ""))
