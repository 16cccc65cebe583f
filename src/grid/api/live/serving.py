"""Wiring of the streams of live runs and of the WebSocket: one hub and one tailer a process, made at first use."""

from datetime import timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection

from grid.api.dependencies import FromDishka
from grid.api.live.hub import LiveHub
from grid.api.live.ledger_tailer import LedgerTailer, SystemTailer
from grid.api.live.subs import SubMaker
from grid.api.live.tailer import RunTailer
from grid.api.live.updates import read_updates
from grid.api.streams import OpenStreams
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.services import live
from grid.services.ledger_news import find_place, read_ledger_news
from grid.services.live import RecentSamples
from grid.services.mode_board import ModeBoard
from grid.services.ports import BellListenerFactory, FrameBus
from grid.services.system_news import read_system


async def find_hub(connection: HTTPConnection, uow: FromDishka[UnitOfWork], bus: FromDishka[FrameBus]) -> LiveHub:
    """Return the hub of this process (made on the event loop, so never twice)."""
    state = connection.app.state
    if not hasattr(state, "live_hub"):
        tailer = RunTailer(partial(read_updates, uow))
        state.live_hub = LiveHub(bus, tailer, partial(_read_samples, uow))
    hub: LiveHub = state.live_hub
    return hub


Hub = Annotated[LiveHub, Depends(find_hub)]


async def find_maker(
    connection: HTTPConnection,
    hub: Hub,
    streams: OpenStreams,
    uow: FromDishka[UnitOfWork],
    listen: FromDishka[BellListenerFactory],
    board: FromDishka[ModeBoard],
    settings: FromDishka[Settings],
) -> SubMaker:
    """Return what makes the subscriptions of every socket of this process."""
    state = connection.app.state
    if not hasattr(state, "live_subs"):
        ledger = LedgerTailer(partial(find_place, uow), partial(read_ledger_news, uow), partial(listen, "changes"))
        heard_within = timedelta(seconds=3 * settings.grid_heartbeat_s + 5)
        system = SystemTailer(partial(read_system, uow, board, heard_within=heard_within))
        state.live_subs = SubMaker(uow, hub, streams, ledger, system)
    maker: SubMaker = state.live_subs
    return maker


Maker = Annotated[SubMaker, Depends(find_maker)]


def _read_samples(uow: UnitOfWork, run_id: UUID, after: int) -> RecentSamples:
    return live.read_recent_samples(uow, run_id, after=after)
