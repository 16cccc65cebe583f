"""The one WebSocket: frames, metrics and events of live runs; jobs, sweeps and the state of the service."""

from http import HTTPStatus

from starlette.responses import Response
from starlette.websockets import WebSocket

from grid import __version__
from grid.api.dependencies import FromDishka, Router
from grid.api.live.replies import SUBPROTOCOL
from grid.api.live.serving import Hub, Maker
from grid.api.live.socket import LiveSocket
from grid.api.problems import problem
from grid.api.stream_places import find_places
from grid.database.uow import UnitOfWork
from grid.services.sessions import SessionDirectory

router = Router(tags=["streams"])


@router.websocket("/live")
async def open_live(
    socket: WebSocket,
    hub: Hub,
    maker: Maker,
    uow: FromDishka[UnitOfWork],
    sessions: FromDishka[SessionDirectory],
) -> None:
    """Serve a viewer; see `docs/live-streams.md`."""
    refusal = _find_refusal(socket)
    if refusal is not None:
        await socket.send_denial_response(refusal)
        return
    await socket.accept(subprotocol=SUBPROTOCOL)
    viewer = LiveSocket(
        socket, maker=maker, is_closing=hub.is_closing, places=find_places(socket), uow=uow, sessions=sessions,
        version=__version__,
    )  # fmt: skip
    await viewer.run()


def _find_refusal(socket: WebSocket) -> Response | None:
    """The answer to a handshake that is refused: a ticket in an address would be kept by logs."""
    if socket.scope["query_string"]:
        detail = "No query is read here: send the ticket in the first message, `hello`."
        return problem(HTTPStatus.BAD_REQUEST, socket.scope, detail=detail)
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        return problem(HTTPStatus.BAD_REQUEST, socket.scope, detail=f"Offer the subprotocol {SUBPROTOCOL}.")
    if find_places(socket).is_full:
        return problem(HTTPStatus.TOO_MANY_REQUESTS, socket.scope)
    return None
