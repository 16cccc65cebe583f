"""The interactive documentation at `/docs`: Swagger UI, with every file from this server."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from grid.api.dependencies import Router
from grid.api.exposure import OPEN_ON_LOOPBACK
from grid.core.errors import NotFoundError

router = Router(include_in_schema=False, takes_any_query=True)

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
CACHE = {"Cache-Control": "public, max-age=86400"}  # they change with the installed package alone

# Swagger UI writes style attributes and draws with data: images; scripts come from files of this server alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Grid: REST API</title>
<link rel="icon" href="/docs/assets/favicon.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null
});
"""


@router.get("/docs", dependencies=OPEN_ON_LOOPBACK)
async def docs() -> HTMLResponse:
    """Show every path, its fields and answers, and try them."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/start.js")
async def start_script() -> Response:
    """Start Swagger UI: a file of its own, so that the page needs no inline script."""
    return Response(START, media_type="text/javascript", headers=CACHE)


@router.get("/docs/assets/{name}")
def asset(name: str) -> FileResponse:
    """Serve one of Swagger UI's files, by a fixed list of names."""
    if name not in ASSETS:
        raise NotFoundError("file")
    return FileResponse(assets_folder() / name, media_type=ASSETS[name], headers=CACHE)


@router.get("/openapi.json", dependencies=OPEN_ON_LOOPBACK)
def openapi(request: Request) -> JSONResponse:
    """Describe every path, as OpenAPI 3.1."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)


def assets_folder() -> Path:
    """Find the files that the package `fastapi-offline` brings."""
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundError("file")
    return Path(spec.submodule_search_locations[0]) / "static"
