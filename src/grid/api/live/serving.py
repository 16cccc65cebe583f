"""Wiring of the streams of live runs: one hub a process, made at first use."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection

from grid.api.dependencies import FromDishka
from grid.api.live.hub import LiveHub
from grid.api.live.tailer import RunTailer
from grid.api.live.updates import read_updates
from grid.database.uow import UnitOfWork
from grid.services import live
from grid.services.live import RecentSamples
from grid.services.ports import FrameBus


async def find_hub(connection: HTTPConnection, uow: FromDishka[UnitOfWork], bus: FromDishka[FrameBus]) -> LiveHub:
    """Return the hub of this process (made on the event loop, so never twice)."""
    state = connection.app.state
    if not hasattr(state, "live_hub"):
        tailer = RunTailer(partial(read_updates, uow))
        state.live_hub = LiveHub(bus, tailer, partial(_read_samples, uow))
    hub: LiveHub = state.live_hub
    return hub


Hub = Annotated[LiveHub, Depends(find_hub)]


def _read_samples(uow: UnitOfWork, run_id: UUID, after: int) -> RecentSamples:
    return live.read_recent_samples(uow, run_id, after=after)
