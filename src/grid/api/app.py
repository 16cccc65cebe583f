"""The application: routes, the layers around them, and one place for every error.

`uvicorn grid.api.app:app --reload` works: `app` is made when it is asked for, so that importing this module starts
nothing and reads no settings.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dishka import Container
from fastapi import FastAPI
from fastapi.routing import APIRoute

from grid.api import middleware, openapi_document, problems, routes
from grid.api.live_collector import LiveCollector
from grid.api.metrics import BrokerCollector, Metrics
from grid.api.mode_header import ModeHeader
from grid.api.routes import health, page
from grid.api.stream_places import StreamPlaces
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.services.adapters import find_broker
from grid.services.container import make_container
from grid.services.health import read_figures
from grid.services.live_figures import read_live_figures
from grid.services.mode_board import ModeBoard
from grid.services.ports import Doorbell

PREFIX = "/api/v1"


def create_app(settings: Settings | None = None, container: Container | None = None) -> FastAPI:
    """Make an application; it opens nothing before its first request or its lifespan, whichever comes first.

    Args:
        settings: What the operator set; default: from the environment and `.env`.
        container: The wiring; default: Grid's own. The application closes it at the end of its lifespan.
    """
    if container is not None:
        settings = settings or container.get(Settings)
    settings = settings or Settings()
    wiring = container or make_container(settings)
    app = FastAPI(
        title=openapi_document.TITLE,
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings, app.state.container = settings, wiring
    app.state.metrics = Metrics(lambda: read_figures(wiring.get(UnitOfWork), settings))
    app.state.stream_places = StreamPlaces()
    app.state.watch = health.make_watch(wiring)
    _include_routes(app)
    page.install(app)
    openapi_document.install(app, routes.API_ROUTERS + routes.ROOT_ROUTERS)
    problems.install(app)
    middleware.install(app, settings, app.state.metrics)
    app.state.metrics.registry.register(LiveCollector(lambda: read_live_figures(wiring.get(UnitOfWork))))
    app.state.metrics.registry.register(BrokerCollector(lambda: find_broker(wiring.get(Doorbell))))
    app.add_middleware(ModeHeader, find_board=lambda: wiring.get(ModeBoard))
    return app


def _include_routes(app: FastAPI) -> None:
    for router in routes.API_ROUTERS:
        app.include_router(router, prefix=PREFIX)
    for router in routes.ROOT_ROUTERS:
        app.include_router(router)


def _operation_id(route: APIRoute) -> str:
    """Name an operation after its function, as in `submit_jobs`: the name that generated clients use."""
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    from grid.api.lifespan import lifespan  # migrations are heavy, and only a server that starts needs them

    async with lifespan(app):
        yield


def __getattr__(name: str) -> Any:
    """Make `app` when it is first asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from grid.core.logging import configure
    from grid.runtime.environment import share_calibration

    settings = Settings()
    share_calibration(settings.grid_calibration)
    configure("DEBUG" if settings.debug else settings.log_level)
    globals()["app"] = application = create_app(settings)
    return application
