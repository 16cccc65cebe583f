"""What is not yours is not found: every operation that takes an id, with every kind of foreign object.

The operations are read from the router, so a new route is in the matrix by being served: an operation with an id that
nothing here knows how to make an object for fails the test instead of passing it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts
from tests.support import live_runs
from tests.support.alert_words import alert_event
from tests.support.live_runs import BURST

from grid.database.users import Role
from grid.services.live.rule_transitions import record_alert_events

PREFIX = "/api/v1"
RULE = {"name": "warm", "metric": "data_age_s", "raise": 9.0, "clear": 5.0, "clock": "wall"}
BODIES = {
    ("PATCH", "/users/{user_id}"): {"disabled": True},
    ("POST", "/engine/runs/{run_id}/step"): {"ticks": 1},
    ("PUT", "/engine/runs/{run_id}/speed"): {"speed": 2.0},
    ("PUT", "/engine/runs/{run_id}/model"): {"model": "diffusive"},
    ("PUT", "/engine/runs/{run_id}/rules"): {"rules": []},
    ("POST", "/engine/runs/{run_id}/events"): BURST,
    ("PUT", "/alert-rules/{rule_id}"): {"rule": RULE},
    ("POST", "/incidents/{incident_id}/notes"): {"text": "mine"},
    ("POST", "/incidents/{incident_id}/assign"): {"to": "me"},
    ("POST", "/incidents/{incident_id}/resolve"): {"reason": "none"},
    ("POST", "/engine/runs/{run_id}/freeze"): {"from_s": 0.0, "to_s": 1.0},
    ("POST", "/engine/runs/{run_id}/branches"): {},
    ("POST", "/sweeps/{sweep_id}/rerun"): {"select": "failed"},
}
# Paths whose only parameter is a public name, the same for everybody.
PUBLIC_NAMES = {"/simulations/{name}", "/scenarios/{name}", "/docs/assets/{name}", "/assets/{name}"}
# Whoever holds one of these has what it stands for: 256 random bits, used once (tests/unit/api/test_downloads.py).
CAPABILITIES = {"/downloads/{token}"}
# For administrators alone: everybody else gets one and the same 403, whether there is such an object or not.
ADMINISTRATIVE = {("PATCH", "/users/{user_id}")}
# Other names of a path that follow an id.
NAMES = {"name": "result.csv", "seq": 1, "number": 1}
SECOND = {"other_id": "job_id"}  # a second id of a kind: the first one again
OWN_HEADERS = {"x-request-id", "date"}


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    method: str
    path: str  # below the prefix, with places for ids

    @property
    def parameters(self):
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    def fill(self, ids):
        values = {**NAMES, **ids, **{name: ids[kind] for name, kind in SECOND.items() if kind in ids}}
        return PREFIX + re.sub(r"\{(\w+)\}", lambda place: str(values[place[1]]), self.path)

    def send(self, client, ids, **more):
        return client.request(self.method, self.fill(ids), json=BODIES.get((self.method, self.path)), **more)


def operations_of(app):
    """Return every operation whose path has a parameter."""
    found = set()
    for context in iter_route_contexts(app.routes):
        path = (context.path or "").removeprefix(PREFIX)
        if "{" in path:
            found |= {Operation(method, path) for method in context.methods or ()}
    return {operation for operation in found if operation.path not in PUBLIC_NAMES | CAPABILITIES}


@pytest.fixture
def foreign(bob, administrator, uow):
    """What others own, by the name of the path's parameter: each kind of object, in every shape it can have."""

    def submit(client, **body):
        answer = client.post(f"{PREFIX}/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["jobs"]

    queued, cancelled, program, of_administrator = (
        submit(client, **body)[0]
        for client, body in (
            (bob, {"simulation": "noop"}),
            (bob, {"simulation": "noop"}),
            (bob, {"container_image": "sim:local", "params": {"time_steps": 5}}),
            (administrator, {"simulation": "heat-rod", "params": {}}),
        )
    )
    assert bob.delete(f"{PREFIX}/jobs/{cancelled}").status_code < 300
    points = submit(bob, simulation="heat-rod", sweep=[{"length": 1.0}, {"length": 2.0}])
    sweep = bob.get(f"{PREFIX}/jobs/{points[0]}").json()["sweep_id"]
    ticking, waiting = live_runs.start(uow, bob.user_id).run_id, live_runs.submit(uow, administrator.user_id).id
    live_runs.send(uow, ticking)
    alerts = make_alerts(uow, bob, ticking)
    return {
        **alerts,
        "run_id": [ticking, waiting],
        "job_id": [queued, cancelled, program, of_administrator, points[0]],
        "sweep_id": [sweep],
        "user_id": [bob.user_id, administrator.user_id],
        "session_id": [client.get(f"{PREFIX}/users/me").json()["session_id"] for client in (bob, administrator)],
    }


def make_alerts(uow, client, run_id):
    """An alert, a rule, a silence and an incident of a user whose run ticks."""
    with uow.begin() as tx:
        run = tx.live_runs.hold(run_id)
        record_alert_events(tx, run, [alert_event("ok", "firing", tick=1, value=1.0)])
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bodies = {
        "rule_id": ("/alert-rules", {"rule": RULE}),
        "silence_id": (
            "/silences", {"matchers": [{"name": "rule", "value": "hot"}], "reason": "x", "until": until},
        ),
        "incident_id": ("/incidents", {"run": str(run_id), "title": "x"}),
    }  # fmt: skip
    made = {name: client.post(f"{PREFIX}{path}", json=body) for name, (path, body) in bodies.items()}
    assert {answer.status_code for answer in made.values()} == {201}, [answer.text for answer in made.values()]
    (alert,) = client.get(f"{PREFIX}/alerts").json()["items"]
    return {"alert_id": [alert["id"]], **{name: [answer.json()["id"]] for name, answer in made.items()}}


def compared(answer, ids):
    """Return an answer without what names this one request: its id, its path, and the lengths that follow from them."""
    document = answer.json()
    document.pop("request_id")
    document["instance"] = re.sub("|".join(map(str, ids.values())), "ID", document["instance"])
    headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
    return answer.status_code, document, headers


def test_every_operation_with_an_id_is_in_the_matrix(app, foreign):
    operations = operations_of(app)
    unknown = {
        operation
        for operation in operations
        if not set(operation.parameters) <= foreign.keys() | NAMES.keys() | SECOND.keys()
        or not set(operation.parameters) & foreign.keys()
    }

    assert len(operations) >= 10
    assert unknown == set()


def test_every_operation_with_an_id_finds_nothing_of_others_and_nothing_that_never_was(app, alice, foreign):
    cells = 0
    for operation in operations_of(app):
        (parameter,) = set(operation.parameters) & foreign.keys()
        status = 403 if (operation.method, operation.path) in ADMINISTRATIVE else 404
        random = {parameter: uuid4()}
        nothing = compared(operation.send(alice, random), random)
        assert nothing[0] == status, (operation, nothing)
        for foreign_id in foreign[parameter]:
            ids = {parameter: foreign_id}
            assert compared(operation.send(alice, ids), ids) == nothing, operation
            cells += 1

    assert cells >= 40


def test_the_matrix_would_notice_since_owners_find_what_is_theirs(app, bob, foreign):
    """Without this, a service that answers 404 to everybody would pass."""
    found = {
        operation.path: operation.send(bob, {parameter: foreign[parameter][0]}).status_code
        for operation in operations_of(app)
        if operation.method == "GET" and "stream" not in operation.path and "{name}" not in operation.path
        for parameter in set(operation.parameters) & foreign.keys()
    }

    assert len(found) >= 5
    assert 404 not in found.values(), found


def test_nothing_of_others_changed_by_all_these_attempts(app, alice, bob, administrator, foreign):
    def look():
        paths = [f"/jobs/{job_id}" for job_id in foreign["job_id"]] + [f"/sweeps/{foreign['sweep_id'][0]}", "/users/me"]
        answers = [client.get(f"{PREFIX}{path}").json() for client in (bob, administrator) for path in paths]
        for answer in answers:
            answer.pop("request_id", None)  # of a 404: one sees the jobs of the other no more than anybody else
        return answers

    before = look()
    for operation in operations_of(app):
        for parameter in set(operation.parameters) & foreign.keys():
            for foreign_id in foreign[parameter]:
                operation.send(alice, {parameter: foreign_id})

    assert look() == before


def test_a_disabled_user_gets_nothing_at_all(app, client_for, administrator, foreign):
    dora = client_for("dora")
    assert administrator.patch(f"{PREFIX}/users/{dora.user_id}", json={"disabled": True}).status_code == 200
    answers = {
        operation.send(dora, {parameter: foreign[parameter][0]}).status_code
        for operation in operations_of(app)
        for parameter in set(operation.parameters) & foreign.keys()
    }

    assert answers == {401}


@pytest.mark.usefixtures("foreign")
def test_lists_and_counts_hold_nothing_of_others(alice):
    assert alice.get(f"{PREFIX}/jobs").json()["total"] == 0
    assert alice.get(f"{PREFIX}/sweeps").json()["total"] == 0
    for path in ("/alerts", "/alert-rules", "/silences", "/incidents"):
        assert alice.get(f"{PREFIX}{path}").json()["total"] == 0
    assert alice.get(f"{PREFIX}/jobs/stats").json()["total"] == 0


def test_filters_reach_no_further_than_ones_own(alice, foreign):
    sweep = foreign["sweep_id"][0]
    answers = [
        alice.get(f"{PREFIX}/jobs", params=query)
        for query in ({"sweep": sweep}, {"status": "queued"}, {"simulation": "noop"}, {"size": 200})
    ]

    assert [answer.json()["total"] for answer in answers if answer.status_code == 200] == [0] * len(answers)


@pytest.mark.parametrize("path", ["/jobs", "/sweeps", "/jobs/stats"])
def test_everybodys_things_are_for_administrators(alice, path):
    assert alice.get(f"{PREFIX}{path}", params={"all": "true"}).status_code in {403, 422}


def test_an_administrator_sees_everybodys_only_on_request(administrator, foreign):
    job = f"{PREFIX}/jobs/{foreign['job_id'][0]}"

    assert administrator.get(job).status_code == 404
    assert administrator.get(job, params={"all": "true"}).status_code == 200


def test_an_idempotency_key_of_another_user_means_nothing(alice, bob):
    body, headers = {"simulation": "noop"}, {"Idempotency-Key": "the-same-key"}
    first = bob.post(f"{PREFIX}/jobs", json=body, headers=headers)
    second = alice.post(f"{PREFIX}/jobs", json=body, headers=headers)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["jobs"] != second.json()["jobs"]
    assert bob.post(f"{PREFIX}/jobs", json=body, headers=headers).json()["jobs"] == first.json()["jobs"]


def test_a_submission_cannot_name_its_owner(alice, bob):
    for field in ("owner_id", "owner", "user_id", "status", "role", "quota", "epoch"):
        answer = alice.post(f"{PREFIX}/jobs", json={"simulation": "noop", field: str(bob.user_id)})
        assert answer.status_code == 422, field


def test_roles_are_what_the_matrix_takes_them_for(alice, administrator):
    me = f"{PREFIX}/users/me"

    assert (alice.get(me).json()["role"], administrator.get(me).json()["role"]) == (Role.USER, Role.ADMINISTRATOR)
