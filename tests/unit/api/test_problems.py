"""Every error is a problem of one shape, with a status that fits, and nothing in it that was sent."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

import grid
from grid.api import problems
from grid.api.field_errors import describe, name_of, unit_of
from grid.api.problems import MEDIA_TYPE, problem, problem_of, status_of
from grid.core import errors
from grid.core.errors import FieldError, GridError, InvalidFieldsError

MEMBERS = {"type", "title", "status", "detail", "instance", "request_id"}
SCOPE = {"type": "http", "path": "/api/v1/jobs", "state": {"request_id": "r-1"}}


# Errors of a program that calls the server, and of children of the worker: they reach no route, so those that are of
# no kind with a status need none. Everything else must be of such a kind.
COPYING = {"grid.database.copying", "grid.services.artifact_copies"}
ELSEWHERE = {"grid.client", "grid.cli", "grid.tasks", "grid.runtime", "grid.engine"}


def kinds_of_error() -> list[type[GridError]]:
    """Every subclass of GridError in every module that a route may reach."""
    for module in pkgutil.walk_packages(grid.__path__, "grid."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:  # those run inside Alembic alone
            importlib.import_module(module.name)
    return [kind for kind in _below(GridError) if kind.__module__.startswith("grid.")]


def _is_elsewhere(kind: type) -> bool:
    """True for what no route raises: a copy is made by a command."""
    return kind.__module__ in COPYING or ".".join(kind.__module__.split(".")[:2]) in ELSEWHERE


def _below(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def test_every_kind_of_error_has_a_status_of_its_own_family_and_a_stable_word():
    statuses: dict[str, int] = {}
    for kind in kinds_of_error():
        status = status_of(kind.__new__(kind))
        family = next(base for base in kind.__mro__ if base in problems.STATUS_BY_ERROR)
        assert family is not GridError or _is_elsewhere(kind), f"{kind} derives from no kind that has a status"
        assert 400 <= status <= 599
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind.code), kind
        assert kind.title, kind
        assert not kind.title.endswith("."), kind
        if family is not GridError:
            assert statuses.setdefault(kind.code, status) == status, f"{kind.code} means two different statuses"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InputError("x"), 422),
        (errors.FieldError("length", "must be greater than 0 m"), 422),
        (errors.UnsupportedError("rotation"), 422),
        (errors.AdmissionError("memory", 3e9, 2e9, "bytes"), 422),
        (errors.DivergedError(3, 0.5, "not finite"), 422),
        (errors.AuthenticationError("Log in."), 401),
        (errors.ForbiddenError("Not yours."), 403),
        (errors.NotFoundError("job"), 404),
        (errors.ConflictError("Already over."), 409),
        (errors.GoneError("Another version."), 410),
        (errors.TooManyRequestsError("Too many guesses", 30), 429),
        (errors.UnavailableError("The database does not answer."), 503),
        (errors.StorageFullError("Full."), 507),
        (errors.ConfigurationError("GRID_SECRET_KEY in /home/x is weak"), 500),
    ],
)
def test_a_problem_has_the_constant_shape(error, status):
    answer = problem_of(error, SCOPE)
    body = json.loads(answer.body)

    assert answer.status_code == body["status"] == status
    assert answer.media_type == MEDIA_TYPE
    assert set(body) - {"errors"} == MEMBERS
    assert (body["instance"], body["request_id"]) == ("/api/v1/jobs", "r-1")


def test_what_is_wrong_inside_is_for_the_log_alone():
    body = json.loads(problem_of(errors.ConfigurationError("GRID_SECRET_KEY in /home/x is weak"), SCOPE).body)

    assert "GRID_SECRET_KEY" not in str(body)
    assert body["type"] == "/problems/internal-server-error"


def test_an_error_without_words_still_has_a_sentence():
    assert json.loads(problem_of(errors.ForbiddenError(), SCOPE).body)["detail"] == "You may not do this."


def test_fields_are_listed_with_limit_and_unit():
    error = InvalidFieldsError((FieldError("timeout_s", "must be greater than 0"), FieldError("name", "is required")))

    assert json.loads(problem_of(error, SCOPE).body)["errors"] == [
        {"field": "timeout_s", "limit": "must be greater than 0", "unit": "s"},
        {"field": "name", "limit": "is required", "unit": None},
    ]


def test_a_long_list_of_fields_is_cut():
    error = InvalidFieldsError(tuple(FieldError(f"sweep[{i}].length", "must be positive") for i in range(5_000)))

    assert len(json.loads(problem_of(error, SCOPE).body)["errors"]) == problems.MOST_ERRORS


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.TooManyRequestsError("Too many", 29.6), "retry-after", "30"),
        (errors.TooManyRequestsError("Too many", 0.01), "retry-after", "1"),
        (errors.UnavailableError("Away."), "retry-after", "2"),
        (errors.AuthenticationError("Who?"), "www-authenticate", "Bearer"),
    ],
)
def test_headers_tell_a_client_what_to_do(error, header, value):
    assert problem_of(error, SCOPE).headers[header] == value


def test_the_instance_is_a_plain_reference_whatever_the_path_holds():
    body = json.loads(problem(404, {**SCOPE, "path": '/a\x00b\n"<é'}).body)

    assert body["instance"] == "/a%00b%0A%22%3C%C3%A9"


class Sample(BaseModel, extra="forbid"):
    """Something with every common limit."""

    name: str = Field("x", min_length=2, max_length=4, pattern="^[a-z]+$")
    count: int = Field(1, gt=0, le=10)
    own: str = "x"

    @field_validator("own")
    @classmethod
    def _refuse(cls, value: str) -> str:
        if value != "x":
            raise ValueError("must be the letter x")
        return value


@pytest.mark.parametrize(
    ("values", "field", "limit"),
    [
        ({"name": "canary"}, "name", "must have at most 4 characters"),
        ({"name": "c"}, "name", "must have at least 2 characters"),
        ({"name": "C1"}, "name", "has a form that is not allowed"),
        ({"count": 0}, "count", "must be greater than 0"),
        ({"count": 11}, "count", "must be at most 10"),
        ({"count": "canary"}, "count", "must be a whole number"),
        ({"own": "canary"}, "own", "must be the letter x"),
        ({"other": 1}, "other", "is not a known field"),
        ({"canary \n": 1}, "(unusual name)", "is not a known field"),
    ],
)
def test_a_limit_is_said_in_words_and_the_value_is_not(values, field, limit):
    with pytest.raises(ValidationError) as refused:
        Sample.model_validate(values)
    described = describe(refused.value.errors()[0])

    assert (described.field, described.limit) == (field, limit)
    assert "canary" not in str(described)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        (("body", "sweep", 17, "diffusivity"), "sweep[17].diffusivity"),
        (("query", "page"), "page"),
        (("body",), "body"),
        ((), "body"),
        (("body", 'x"; DROP'), "(unusual name)"),
        (("body", "a" * 65), "(unusual name)"),
    ],
)
def test_a_field_is_named_by_its_path(location, name):
    assert name_of(location) == name


@pytest.mark.parametrize(("field", "unit"), [("timeout_s", "s"), ("memory_mb", "MB"), ("s", None), ("sweeps", None)])
def test_a_unit_is_read_from_the_name(field, unit):
    assert unit_of(field) == unit


def test_unknown_addresses_and_methods_are_problems(alice):
    missing, wrong = alice.get("/api/v1/nothing"), alice.put("/live")

    assert (missing.status_code, missing.headers["content-type"]) == (404, MEDIA_TYPE)
    assert (wrong.status_code, wrong.headers["content-type"], wrong.headers["allow"]) == (405, MEDIA_TYPE, "GET, HEAD")
    assert {*missing.json()} == {*wrong.json()} == MEMBERS


def test_a_body_with_wrong_fields_names_them_and_repeats_nothing(anonymous):
    answer = anonymous.post("/api/v1/auth/login", json={"username": ["canary"], "pass word": "canary"})

    assert answer.status_code == 422
    assert {*answer.json()} == MEMBERS | {"errors"}
    assert {error["field"] for error in answer.json()["errors"]} >= {"username", "password"}
    assert "canary" not in answer.text


def test_what_nobody_foresaw_is_a_problem_without_a_trace(app, connect, caplog):
    @app.get("/crash")
    def crash() -> None:
        raise RuntimeError("canary: SELECT * FROM users; /home/x")

    answer = connect().get("/crash")

    assert answer.status_code == 500
    assert {*answer.json()} == MEMBERS
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    (record,) = [record for record in caplog.records if "request_crashed" in str(record.msg)]
    assert answer.json()["request_id"] in str(record.msg)
    assert "RuntimeError" in str(record.msg)


@pytest.mark.parametrize("status", [503, 507])
def test_a_service_in_trouble_says_so(app, connect, status):
    kinds = {503: errors.UnavailableError, 507: errors.StorageFullError}

    @app.get("/trouble")
    def trouble() -> None:
        raise kinds[status]("Try again.")

    answer = connect().get("/trouble")

    assert (answer.status_code, answer.json()["detail"], answer.headers["retry-after"]) == (status, "Try again.", "2")
