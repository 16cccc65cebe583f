"""The web page: its document at every address that a browser opens and no other route has, and its assets.

Addresses inside the page, such as `/jobs/01c7...`, belong to the page's own router, which also says where there is
nothing. All that is no navigation gets a problem, so that a slip in an API's path never answers with a page.
"""

from dataclasses import dataclass

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from grid.api.dependencies import Router
from grid.api.page_files import PageFolder
from grid.core.errors import NotFoundError

router = Router(include_in_schema=False, takes_any_query=True)

# Where a browser may look, and the page has nothing: a wrong name there is an error, no view.
NOT_OF_THE_PAGE = (
    "/api",
    "/docs",
    "/assets",
    "/openapi.json",
    "/favicon.ico",
    "/metrics",
    "/health",
    "/live",
    "/ready",
)
ICON_NAME = "icon-"


@router.get("/")
def root(request: Request) -> Response:
    """Show the page, or how to get it."""
    return _folder(request.app).answer()


@router.get("/assets/{name}")
def asset(name: str, request: Request) -> Response:
    """Serve a file of the page, which never changes under its name."""
    found = _folder(request.app).find_asset(name)
    if found is None:
        raise NotFoundError("file")
    return found.answer(request.headers.get("accept-encoding", ""))


@router.get("/favicon.ico")
def icon(request: Request) -> Response:
    """Serve the page's icon where a browser looks for one without being told."""
    page = _folder(request.app).find_page()
    found = [one for name, one in page.assets.items() if name.startswith(ICON_NAME)] if page else []
    if not found:
        raise NotFoundError("file")
    return Response(found[0].plain, media_type=found[0].media_type, headers={"Cache-Control": "public, max-age=86400"})


def install(app: FastAPI) -> None:
    """Let navigations end at the page that no route knows."""
    app.state.page = PageFolder()
    app.router.default = Navigations(app, app.router.default)


@dataclass(frozen=True)
class _Named:
    """What the log and the metrics call a route."""

    path: str


class Navigations:
    """Answers a browser's navigation with the page, and leaves the rest to `otherwise`."""

    def __init__(self, app: FastAPI, otherwise: ASGIApp) -> None:
        self.app, self.otherwise = app, otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that no route has taken."""
        if scope["type"] != "http" or not is_navigation(Request(scope)):
            await self.otherwise(scope, receive, send)
            return
        scope["route"] = _Named("/{page}")
        await _folder(self.app).answer(status=404)(scope, receive, send)


def is_navigation(request: Request) -> bool:
    """Tell whether a browser opens an address of the page in a tab."""
    path = request.url.path
    if request.method != "GET" or any(path == own or path.startswith(f"{own}/") for own in NOT_OF_THE_PAGE):
        return False
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" or (mode is None and "text/html" in request.headers.get("accept", ""))


def _folder(app: FastAPI) -> PageFolder:
    folder: PageFolder = app.state.page
    return folder
