"""What routes ask for: parts of the container, and a router that reads JSON strictly.

dishka's own FastAPI integration closes its scope after the answer has left. Here nothing has a scope to close: the
container holds singletons (factories, never an open session), so `FromDishka[T]` is an ordinary FastAPI dependency
that looks one up, in `def` and `async def` routes, in generators and in other dependencies alike.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from anyio.to_thread import run_sync
from dishka import Container
from fastapi import APIRouter, Depends, Request, Response
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute

from grid.api.problems import ProblemException
from grid.core.errors import InputError
from grid.core.strict_json import read_json

T = TypeVar("T")

INLINE_BYTES = 64 * 1024  # a longer body is parsed in a thread: about 1 ms on the event loop at most


def find_part(connection: HTTPConnection, wanted: type[T]) -> T:
    """Return the container's one object of a type. For dependencies: one that looks up itself costs one call less."""
    container: Container = connection.app.state.container
    return container.get(wanted)


def _lookup(wanted: type[T]) -> Callable[[HTTPConnection], Awaitable[T]]:
    async def provide(connection: HTTPConnection) -> T:
        return find_part(connection, wanted)

    return provide


if TYPE_CHECKING:
    FromDishka = Annotated[T, "from the container"]
else:

    class FromDishka:
        """`uow: FromDishka[UnitOfWork]`: the container's one object of that type."""

        def __class_getitem__(cls, wanted: type[T]) -> object:
            return Annotated[wanted, Depends(_lookup(wanted))]


class StrictRequest(Request):
    """A request whose JSON is read by `grid.core.strict_json`: finite, shallow, storable, no key twice."""

    async def json(self) -> Any:
        """Return the parsed body.

        Raises:
            ProblemException: The body is not JSON that Grid accepts.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = read_json(body) if len(body) <= INLINE_BYTES else await run_sync(read_json, body)
            except InputError as error:
                raise ProblemException(error) from error  # FastAPI lets only an HTTPException out of its body reader
        return self._json


class StrictRoute(APIRoute):
    """A route that hands its endpoint a `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


class Router(APIRouter):
    """The router that every module of `grid.api.routes` makes: `router = Router(prefix="/jobs", tags=["jobs"])`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(route_class=StrictRoute, **settings)
