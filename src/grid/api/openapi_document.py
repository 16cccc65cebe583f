"""The OpenAPI document: one schema for every error, and on each operation the answers that the front door may give."""

from collections.abc import Iterable
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from grid import __version__
from grid.api.dependencies import Router
from grid.api.problems import DETAILS, MEDIA_TYPE, SCHEMA, Problem
from grid.schemas.wire import SubmissionIn

TITLE = "Grid"
DESCRIPTION = """A simulation-native backend: submit a heat problem or a sweep of them, follow it, fetch the result; or
start a live run, push on it while it ticks, and read what it shows.

Log in at `/api/v1/auth/login` (or run `grid auth token`) and send `Authorization: Bearer <token>`. Every error is a
problem (RFC 9457) with a `request_id` that the server's log knows. Temperatures, lengths and times have their units in
the description of each field.
"""
READ_AS_BYTES: tuple[type[BaseModel], ...] = (SubmissionIn,)  # bodies whose routes parse them themselves
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")

# The front door turns away any request with these (`grid.api.front_door`), and any part may be away for a moment.
EVERYWHERE = (400, 403, 414, 421, 431, 500, 503)
WITH_A_BODY = (408, 413, 415, 422, 507)
WITH_A_QUERY = (422,)  # a name in it that nothing reads (`grid.api.dependencies`), or a value outside its limits
WITH_A_LOGIN = (401,)


# One event of a stream, described as FastAPI itself does for generators.
EVENT = {
    "itemSchema": {
        "type": "object",
        "properties": {
            "event": {"type": "string", "description": "log, status, end or gap; absent where only the id is told"},
            "data": {"type": "string", "description": "A line of the log, or JSON"},
            "id": {"type": "string", "description": "Send it as `Last-Event-ID` to go on from there"},
            "retry": {"type": "integer", "minimum": 0},
        },
    }
}


def install(app: FastAPI, routers: Iterable[Router]) -> None:
    """Let `app.openapi()` return Grid's document, with a description of the tags of these routers."""
    tags = [{"name": router.tags[0], "description": router.about} for router in routers if router.about is not None]

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = describe(app, tags)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def describe(app: FastAPI, tags: list[dict[str, Any]]) -> dict[str, Any]:
    """Make the document from the routes."""
    document = get_openapi(
        title=TITLE, version=__version__, description=DESCRIPTION, routes=app.routes, tags=tags, servers=[{"url": "/"}]
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _schema_of(Problem, schemas, "serialization")
    for body in READ_AS_BYTES:
        schemas[body.__name__] = _schema_of(body, schemas, "validation")
    components["responses"] = {_name(status): _response(status) for status in DETAILS}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                _complete(item[method], reads_query=path.startswith("/api/"))
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    return document


def _schema_of(
    model: type[BaseModel], schemas: dict[str, Any], mode: Literal["validation", "serialization"]
) -> dict[str, Any]:
    """Return the schema of a model that no route declares, after those that it refers to were added."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
    for name, part in schema.pop("$defs", {}).items():
        schemas.setdefault(name, part)
    return schema


def _complete(operation: dict[str, Any], *, reads_query: bool) -> None:
    """Add the answers that a route does not give itself; what it documents stays."""
    responses: dict[str, Any] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for answer in responses.values():
        if "text/event-stream" in answer.get("content", {}):
            answer["content"]["text/event-stream"] = EVENT
    statuses = set(EVERYWHERE)
    statuses.update(WITH_A_BODY if "requestBody" in operation else ())
    statuses.update(WITH_A_QUERY if reads_query or operation.get("parameters") else ())
    statuses.update(WITH_A_LOGIN if operation.get("security") else ())
    for status in sorted(statuses):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_name(status)}"})


def _name(status: int) -> str:
    return f"Problem{status}"


def _response(status: int) -> dict[str, Any]:
    return {"description": DETAILS[status], "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
