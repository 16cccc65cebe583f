"""Every operation as the served document describes it, with fitting and unfitting data, asked by three roles.

No answer may be a 5xx, or one that the document does not describe: status, media type, headers and schema. The number
of examples is `GRID_SCHEMATHESIS_EXAMPLES`: 700 unless set, 2,100 in `make test-faults`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.server import Server, serve

EXAMPLES = int(os.environ.get("GRID_SCHEMATHESIS_EXAMPLES", "700"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROLES = ("anonymous", "user", "administrator")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
PASSWORD = "seven unrelated words in a row 4"
TIMEOUT_S = 30.0
# Says 503 while no worker runs, as documented; everywhere else a 5xx is a failure.
WITHOUT_A_WORKER = {"ready"}


@dataclass
class Service:
    """A running server, tokens of the roles, and how many examples each has seen."""

    server: Server
    tokens: dict[str, dict[str, str]]
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    """One server for all roles; no worker runs, so jobs stay as they are."""
    with serve(tmp_path_factory.mktemp("schemathesis") / "home", is_counted=False) as server:
        administrator = {"Authorization": f"Bearer {server.log_in()}"}
        user = {"username": "somebody", "password": PASSWORD}
        made = httpx.post(f"{server.url}/api/v1/users", json=user, headers=administrator)
        assert made.status_code == 201, made.text
        tokens = {
            "anonymous": {},
            "user": {"Authorization": f"Bearer {server.log_in(**user)}"},
            "administrator": administrator,
        }
        yield Service(server, tokens)


def make_jobs(service: Service, role: str) -> list[str]:
    """Submit two jobs and cancel one: ids for paths, so that not everything is a 404."""
    url, headers = f"{service.server.url}/api/v1/jobs", service.tokens[role]
    ids = []
    for number in range(2):
        answer = httpx.post(url, json={"simulation": "noop", "sweep": [{}]}, headers=headers)
        if answer.status_code != 202:
            return []  # a stranger has none
        ids += answer.json()["jobs"]
        if number == 0:
            assert httpx.delete(f"{url}/{ids[0]}", headers=headers).status_code == 202
    return ids


def make_runs(service: Service, role: str) -> list[str]:
    """Start two live runs and stop one, where the role has no other: ids for paths, as above."""
    url, headers = f"{service.server.url}/api/v1/engine/runs", service.tokens[role]
    answer = httpx.get(url, params={"status": ["queued", "stopped"]}, headers=headers)
    if answer.status_code != 200:
        return []
    known = {run["status"]: run["id"] for run in answer.json()["items"]}
    for status in ("stopped", "queued"):
        if status not in known:
            answer = httpx.post(url, json={"scenario": "burst", "cells": [16, 16]}, headers=headers, timeout=60.0)
            assert answer.status_code == 202, answer.text
            known[status] = answer.json()["id"]
            if status == "stopped":
                assert httpx.delete(f"{url}/{known[status]}", headers=headers).status_code == 202
    return [known["stopped"], known["queued"]]


def operations(service: Service) -> list[APIOperation]:
    generation = GenerationConfig(modes=list(MODES), allow_x00=True, codec=None)
    config = SchemathesisConfig()
    config.projects.default.generation = generation
    schema = schemathesis.openapi.from_url(f"{service.server.url}/openapi.json", config=config)
    return [found.ok() for found in schema.get_all_operations()]


def has_inputs(operation: APIOperation) -> bool:
    """Whether there is anything that could be sent wrongly."""
    return any(operation.definition.raw.get(part) for part in ("parameters", "requestBody", "security"))


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("without_coverage")  # the tests of the API count its lines
@pytest.mark.parametrize("role", ROLES)
def test_no_answer_is_a_server_error_or_undocumented(service, role):
    every = operations(service)
    assert len(every) > 15
    failures: list[Exception] = []
    share = -(-EXAMPLES // (len(ROLES) * len(MODES) * sum(map(has_inputs, every))))
    for operation in every:
        # Logging out ends the session: what follows would only ever be a 401.
        is_last = operation.definition.raw["operationId"] == "log_out"
        headers = {"Authorization": "Bearer of.no.use"} if is_last and role != "anonymous" else service.tokens[role]
        ids = {"job_id": make_jobs(service, role), "run_id": make_runs(service, role)}
        for mode in MODES if has_inputs(operation) else MODES[:1]:
            try:
                ask(service, role, operation, mode, share, ids, headers)
            except Exception as failure:  # noqa: BLE001 - all of them are shown, not only the first
                failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} operations as {role}", failures)
    assert service.sent[role] >= EXAMPLES // len(ROLES)


def ask(
    service: Service,
    role: str,
    operation: APIOperation,
    mode: GenerationMode,
    examples: int,
    ids: dict[str, list[str]],
    headers: dict[str, str],
) -> None:
    """Ask one operation `examples` times."""
    number = count()

    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), place=st.sampled_from([0, 0, 1, None]))
    def run(case: Case, place: int | None) -> None:
        next(number)
        for name, known in ids.items():
            if known and place is not None and name in (case.path_parameters or {}):
                is_stream = operation.path.endswith("/stream")  # of what has ended, so that it ends as well
                case.path_parameters[name] = known[0 if is_stream else place]
        answer = case.call(base_url=service.server.url, headers=headers, timeout=TIMEOUT_S)
        checks = CHECKS[1:] if operation.definition.raw["operationId"] in WITHOUT_A_WORKER else CHECKS
        case.validate_response(answer, checks=checks)

    run()
    service.sent[role] += next(number)
