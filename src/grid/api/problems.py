"""Errors as RFC 9457 problems: the only place where an error meets a status.

Every problem has the same members: `type`, `title`, `status`, `detail`, `instance`, `request_id`, and `errors` where
fields are named. None repeats a value that was sent, none shows a stack, a statement or a path of this machine.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from grid.api.anonymous import LOG, is_known
from grid.api.field_errors import describe, unit_of
from grid.api.files import UnsatisfiableRangeError
from grid.api.methods import find_methods
from grid.core.errors import (
    AdmissionError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    FieldError,
    ForbiddenError,
    GoneError,
    GridError,
    InputError,
    InvalidFieldsError,
    NotFoundError,
    NumericsError,
    StorageFullError,
    TooManyRequestsError,
    UnavailableError,
)
from grid.core.logging import get_logger
from grid.schemas.jobs import JobStatus
from grid.schemas.live import RunState
from grid.schemas.wire import FieldProblem
from grid.services.alerts.rules import RuleVersionError
from grid.services.live import PayloadTooLargeError, RulesVersionError
from grid.services.saved_views import ViewsVersionError

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
LONGEST_PATH = 256  # characters that are repeated; none of our own addresses has as many
MOST_ERRORS = 100  # of one answer; a sweep could have ten thousand
RETRY_AFTER_S = 2  # for an answer that says "try again" and does not know when

STATUS_BY_ERROR: dict[type[GridError], int] = {
    RulesVersionError: 412,
    RuleVersionError: 412,
    ViewsVersionError: 412,
    PayloadTooLargeError: 413,
    InputError: 422,
    AdmissionError: 422,
    NumericsError: 422,
    UnsatisfiableRangeError: 416,
    AuthenticationError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    GoneError: 410,
    TooManyRequestsError: 429,
    UnavailableError: 503,
    StorageFullError: 507,
    ConfigurationError: 500,
    GridError: 500,
}

# What a status means where no error of Grid's own says more.
DETAILS = {
    400: "The request cannot be read.",
    401: "Log in first.",
    403: "You may not do this.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The request did not arrive in time.",
    409: "The current state does not allow this.",
    410: "It existed, and cannot be had any more.",
    412: "It was changed meanwhile: read it again.",
    413: "The request's body is larger than this address takes.",
    414: "The address is too long.",
    415: "Send JSON, uncompressed, with Content-Type: application/json.",
    416: "The range is outside the file; Content-Range says how long it is.",
    421: "This server does not answer to that host name; GRID_ALLOWED_HOSTS adds one.",
    422: "The request is well-formed, and a value in it is not valid.",
    429: "Too many requests; wait a moment.",
    431: "The request's header is too long.",
    500: "Something went wrong in the server; its log says what, under this request's id.",
    503: "A part of the service does not answer; nothing was lost, try again.",
    507: "There is no room left on the disk; nothing was stored by halves.",
}


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="A stable word for the kind of error: the end of this path")
    title: str = Field(description="The same for every error of this type")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What happened this time, and what to do next")
    instance: str = Field(description="The path that was asked for")
    request_id: str = Field(description="The key to the server's log")
    trace_id: str | None = Field(None, description="Of the request's trace, where traces are kept")
    job_status: JobStatus | None = Field(None, description="The state of the job, where it is what stands in the way")
    run_status: RunState | None = Field(None, description="The state of the live run, likewise")
    errors: list[FieldProblem] | None = Field(None, description="The fields that are not valid, where any are named")


class ProblemException(HTTPException):
    """Carries one of Grid's errors through code that lets only Starlette's own exception pass."""

    def __init__(self, error: GridError) -> None:
        super().__init__(status_of(error))
        self.error = error


def status_of(error: GridError) -> int:
    """Return the status of the nearest kind that has one."""
    return next(STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR)


def problem_of(error: GridError, scope: Scope) -> JSONResponse:
    """Answer with one of Grid's own errors."""
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem(status, scope)  # its words are for the operator
    return problem(
        status,
        scope,
        code=error.code,
        title=error.title,
        detail=str(error) or error.title + ".",
        errors=_fields_of(error),
        status_of_subject=_status_of_subject(error),
        headers=_headers_of(error, status),
    )


def problem(
    status: int,
    scope: Scope,
    *,
    code: str | None = None,
    title: str | None = None,
    detail: str | None = None,
    errors: Iterable[FieldError] | None = None,
    status_of_subject: JobStatus | RunState | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make the answer; what is left out follows from the status."""
    phrase = _phrase(status)
    content: dict[str, Any] = {
        "type": f"/problems/{code or phrase.lower().replace(' ', '-')}",
        "title": title or phrase,
        "status": status,
        "detail": detail or DETAILS.get(status, phrase + "."),
        "instance": quote(scope["path"][:LONGEST_PATH], safe="/:@!$&'()*+,;=~-._"),
        "request_id": str(scope.get("state", {}).get("request_id", "")),
    }
    if trace_id := scope.get("state", {}).get("trace_id"):
        content["trace_id"] = trace_id
    if status_of_subject is not None:
        name = "job_status" if isinstance(status_of_subject, JobStatus) else "run_status"
        content[name] = status_of_subject.value
    if errors is not None:
        content["errors"] = [present_field(error).model_dump() for error in list(errors)[:MOST_ERRORS]]
    return JSONResponse(content, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def present_field(error: FieldError) -> FieldProblem:
    """Return one field that is not valid, with its unit where it has one."""
    unit = getattr(error, "unit", None) or unit_of(error.field)
    return FieldProblem(field=error.field, limit=error.limit, unit=unit)


def install(app: FastAPI) -> None:
    """Let every error of `app` end here; what nobody foresaw ends in `grid.api.middleware`."""
    app.add_exception_handler(GridError, _on_grid_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


async def _on_grid_error(request: Request, error: Exception) -> JSONResponse:
    known = cast("GridError", error)
    if status_of(known) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        expected = isinstance(known, UnavailableError | StorageFullError)  # an outage is no defect: no trace of it
        path = quote(request.url.path[:LONGEST_PATH])
        if expected and not is_known(request.scope):
            LOG.write(log.warning, "request_failed", chosen=len(path), code=known.code, path=path)
        else:
            write = log.warning if expected else log.error
            write("request_failed", code=known.code, path=path, exc_info=None if expected else error)
    return problem_of(known, request.scope)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ProblemException):
        return await _on_grid_error(request, error.error)
    known = cast("HTTPException", error)
    headers = dict(known.headers or {})
    if known.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # each route knows its own method alone
        headers["Allow"] = ", ".join(find_methods(request.app, request.url.path))
    return problem(known.status_code, request.scope, headers=headers)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    fields = tuple(describe(one) for one in cast("RequestValidationError", error).errors()[:MOST_ERRORS])
    return problem_of(InvalidFieldsError(fields), request.scope)


def _fields_of(error: GridError) -> Iterable[FieldError] | None:
    if isinstance(error, InvalidFieldsError):
        return error.errors
    return (error,) if isinstance(error, FieldError) else None


def _status_of_subject(error: GridError) -> JobStatus | RunState | None:
    """Return the state that an error names: of the job, or of the live run, which it speaks of."""
    state = getattr(error, "state", None)
    return state if isinstance(state, JobStatus | RunState) else None


def _headers_of(error: GridError, status: int) -> dict[str, str]:
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(max(1, round(error.retry_after_s)))}
    if isinstance(error, UnsatisfiableRangeError):
        return {"Content-Range": f"bytes */{error.size}"}
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE}:
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document these statuses of a route: `@router.get("/{id}", responses=problems(404, 409))`."""
    return {
        status: {"description": DETAILS.get(status, _phrase(status)), "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
        for status in statuses
    }


SCHEMA = {"$ref": "#/components/schemas/Problem"}
