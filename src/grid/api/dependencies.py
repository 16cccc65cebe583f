"""Dependencies of routes: parts of the container, and a router that reads JSON strictly.

dishka's own FastAPI integration closes its scope after the answer has left. Here nothing has a scope to close: the
container holds singletons (factories, never an open session), so `FromDishka[T]` is an ordinary FastAPI dependency
that looks one up, in `def` and `async def` routes, in generators and in other dependencies alike.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from anyio.to_thread import run_sync
from dishka import Container
from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.utils import get_dependant
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from grid.api.field_errors import name_of
from grid.api.problems import ProblemException
from grid.core.errors import FieldError, InputError, InvalidFieldsError
from grid.core.strict_json import read_json

T = TypeVar("T")

MOST_UNKNOWN = 20  # names of one query that an answer repeats
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


@dataclass(frozen=True)
class KnownQuery:
    """The names that a route reads from the query: whole names, and beginnings of names."""

    names: frozenset[str]
    prefixes: tuple[str, ...]
    needs_login: bool = False

    @classmethod
    def of(cls, path: str, endpoint: Callable[..., Any]) -> "KnownQuery":
        """Collect what a route's function and its dependencies declare.

        A dependency that reads names by their beginning says so in an attribute `query_prefixes`.
        """
        names: set[str] = set()
        prefixes: list[str] = []
        needs_login = False
        stack = [get_dependant(path=path, call=endpoint)]
        while stack:
            part = stack.pop()
            names.update(field.alias for field in part.query_params)
            prefixes += getattr(part.call, "query_prefixes", ())
            needs_login = needs_login or isinstance(part.call, SecurityBase)
            stack += part.dependencies
        return cls(frozenset(names), tuple(prefixes), needs_login)

    def require_known(self, request: Request) -> None:
        """Refuse a name that nobody would read, so that a slip of the pen is no silent change of the question.

        Who has to log in and sends no token is told that first, by the route itself.

        Raises:
            InvalidFieldsError: It names each of them that is an ordinary name, and what this address takes.
        """
        if self.needs_login and "authorization" not in request.headers:
            return
        query = request.query_params
        unknown = [name for name in query if name not in self.names and not name.startswith(self.prefixes)]
        if unknown:
            known = sorted(self.names) + [f"{prefix}KEY" for prefix in self.prefixes]
            limit = f"is not known here; known: {', '.join(known)}" if known else "is not known: no query is read here"
            raise InvalidFieldsError(tuple(FieldError(name_of((name,)), limit) for name in unknown[:MOST_UNKNOWN]))


class StrictRoute(APIRoute):
    """A route that hands its endpoint a `StrictRequest`, and refuses names in the query that nothing reads."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle, known = self.make_handler(), self.known_query()

        async def handle_strictly(request: Request) -> Response:
            if known is not None and request.scope["query_string"]:
                known.require_known(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly

    def make_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what calls the endpoint: FastAPI's handler, which finds the values of all its parameters."""
        return super().get_route_handler()

    def known_query(self) -> KnownQuery | None:
        """Return the names that the route reads from the query; None where it lets others pass."""
        return KnownQuery.of(self.path, self.endpoint)


class LenientRoute(StrictRoute):
    """A route for probes and browsers, which put what they like into the query."""

    def known_query(self) -> None:
        """Let every name pass."""


class Router(APIRouter):
    """The router that every module of `grid.api.routes` makes: `router = Router(prefix="/jobs", tags=["jobs"])`.

    Args:
        takes_any_query: Let names in the query pass that no route reads.
        about: Describes the router's tag in the API's documentation; one router of a tag has it.
        settings: Of FastAPI's own router.
    """

    def __init__(self, *, takes_any_query: bool = False, about: str | None = None, **settings: Any) -> None:
        super().__init__(route_class=LenientRoute if takes_any_query else StrictRoute, **settings)
        self.about = about
