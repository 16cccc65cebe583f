"""Health: that the service is there, and which part of it is not."""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from dishka import Container
from fastapi import Depends, Request, Response
from pydantic import BaseModel, Field

from grid import __version__
from grid.api.dependencies import Router
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.runtime.home import Home
from grid.services.adapters import find_broker
from grid.services.health import Part, PartName, PartState, check_parts
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.store_watch import StoreWatch

router = Router(tags=["health"], about="Whether the service is there", takes_any_query=True)

FRESH_S = 1.0  # anybody may ask, as often as they like: the parts are looked at once a second at most


class LiveOut(BaseModel):
    """The server's process answers."""

    status: Literal["ok"] = "ok"


class PartOut(BaseModel):
    """One part of the service."""

    name: PartName
    kind: str = Field(description="As in sqlite, postgresql, unix, redis, local")
    state: PartState = Field(
        description="degraded: it does its work more slowly, and the service is ready all the same"
    )
    detail: str = Field(description="A sentence where there is something to say")


class ReadyOut(BaseModel):
    """Every part and its state."""

    status: Literal["ready", "not_ready"]
    parts: list[PartOut]


class HealthOut(BaseModel):
    """The service in one word."""

    status: Literal["ok", "degraded", "unavailable"] = Field(
        description="degraded: jobs are taken and wait, or start later; unavailable: the database does not answer"
    )
    version: str
    parts: list[PartOut]


class PartsWatch:
    """Looks at the parts, at most once in `FRESH_S` seconds however many ask."""

    def __init__(self, look: Callable[[], tuple[Part, ...]]) -> None:
        self._look, self._lock = look, threading.Lock()
        self._seen_at = float("-inf")
        self._parts: tuple[Part, ...] = ()

    def parts(self) -> tuple[Part, ...]:
        """Return every part."""
        with self._lock:
            if time.monotonic() - self._seen_at > FRESH_S:
                self._parts, self._seen_at = self._look(), time.monotonic()
            return self._parts


def make_watch(container: Container) -> PartsWatch:
    """Watch the parts that a container wires."""
    return PartsWatch(
        lambda: check_parts(
            container.get(UnitOfWork),
            container.get(ArtifactStore),
            container.get(Home),
            container.get(Settings),
            find_broker(container.get(Doorbell)),
            container.get(StoreWatch),
        )
    )


def get_parts(request: Request) -> tuple[Part, ...]:
    """Return every part, as seen lately."""
    watch: PartsWatch = request.app.state.watch
    return watch.parts()


Parts = Annotated[tuple[Part, ...], Depends(get_parts)]
_UNREADY: dict[int | str, dict[str, Any]] = {
    503: {"model": ReadyOut, "description": "A part is not ready; `parts` names it."}
}
_UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"model": HealthOut, "description": "The database does not answer."}
}


@router.get("/live")
async def live() -> LiveOut:
    """Say that the process answers; nothing else is looked at."""
    return LiveOut()


@router.get("/ready", responses=_UNREADY)
def ready(parts: Parts, response: Response) -> ReadyOut:
    """Say whether jobs are taken and run now, part by part."""
    is_ready = all(part.is_ready for part in parts)
    if not is_ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return ReadyOut(status="ready" if is_ready else "not_ready", parts=_out(parts))


@router.get("/health", responses=_UNAVAILABLE)
def health(parts: Parts, response: Response) -> HealthOut:
    """Say how the service does: 200 as long as requests can be answered."""
    down = {part.name for part in parts if part.state != "ready"}
    is_down = any(part.name == "database" and not part.is_ready for part in parts)
    if is_down:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    status = "unavailable" if is_down else "degraded" if down else "ok"
    return HealthOut(status=status, version=__version__, parts=_out(parts))


def _out(parts: tuple[Part, ...]) -> list[PartOut]:
    return [PartOut(name=part.name, kind=part.kind, state=part.state, detail=part.detail) for part in parts]
