"""Hostile input: each a clear 422 that names the field and its limit, repeats nothing, and stores nothing."""

import json
import re

import pytest
from sqlalchemy import func, select

from grid.database import schema
from grid.database.users import Role

JOBS = "/api/v1/jobs"
JSON = {"Content-Type": "application/json"}
CANARY = "ca9ar1"
LONG = "7" * 10_000
NO_ID = "01931f5e-8f2c-7c3a-9d41-5f2d7e0c8a11"
TABLES = ("jobs", "sweeps", "outbox", "stream_events", "idempotency_keys", "owner_queues")
MEMBERS = {"type", "title", "status", "detail", "instance", "request_id"}


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + "1" + closing * depth


def rod(text: str) -> bytes:
    """A submission of a rod, whose parameters are given as JSON text."""
    return ('{"simulation": "heat-rod", "params": {' + text + "}}").encode()


UNREADABLE = {
    "empty": b" ",
    "NaN": rod('"length": NaN'),
    "Infinity": rod('"length": Infinity'),
    "minus Infinity": rod('"length": -Infinity'),
    "beyond a double": rod('"length": 1e999'),
    "minus beyond a double": rod('"length": -1e999'),
    "an integer of 10,000 digits": rod(f'"time_steps": {LONG}'),
    "minus an integer of 10,000 digits": rod(f'"time_steps": -{LONG}'),
    "a number of 10,000 digits": rod(f'"length": {LONG}.0'),
    "an exponent of 10,000 digits": rod(f'"length": 1e{LONG}'),
    "NUL in a value": rod(rf'"length": "{CANARY}\u0000"'),
    "NUL in a name": rod(rf'"{CANARY}\u0000": 1'),
    "a raw NUL": rod(f'"length": "{CANARY}\0"'),
    "a lone high surrogate": rod(rf'"length": "{CANARY}\ud800"'),
    "a lone low surrogate": rod(rf'"{CANARY}\udfff": 1'),
    "surrogates the wrong way round": rod(rf'"length": "{CANARY}\udc00\ud800"'),
    "not UTF-8": rod(f'"length": "{CANARY}').replace(b"}}", b"") + b'\xff"}}',
    "a surrogate as bytes": b'{"simulation": "' + CANARY.encode() + b'\xed\xa0\x80"}',
    "UTF-16": '{"simulation": "heat-rod"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + rod(""),
    "21 lists deep": rod(f'"length": {nested(21)}'),
    "100,000 lists deep": rod(f'"length": {nested(100_000)}'),
    "100,000 objects deep": rod('"length": ' + nested(50_000, '{"a":', "}")),
    "a name twice": rod(f'"length": 1, "length": "{CANARY}"'),
    "cut short": b'{"simulation": "heat-rod", "params": {',
    "two documents": b"{} {}",
    "single quotes": b"{'simulation': 'heat-rod'}",
    "a comment": b'{"simulation": "heat-rod"} // ' + CANARY.encode(),
}

OUT_OF_RANGE = {
    "length": [-1, -0.0, 0, 1e-300, 1e300, -1e308, "1", CANARY, True, None, [], {}, [1.0]],
    "spatial_steps": [1, 2, 0, -1, 1e9, 10**9, 10**18, 2**63, 2**64, 10**29, 101.5, "101", True, None],
    "time_steps": [0, -5, 10**9, 1e9, 2.5, "100", False],
    "diffusivity": [0, -0.01, 1e300, "0.01", None],
    "initial_temp": [1e300, -1e300, CANARY],
    "end_time": [-1, 1e300, CANARY, None],
}

WRONG_SUBMISSIONS = {
    "a list": [1],
    "a string": CANARY,
    "a number": 1,
    "null": None,
    "an unknown field": {"simulation": "noop", "owner": CANARY},
    "a field of the table": {"simulation": "noop", "state": "success"},
    "both ways to say what": {"simulation": "noop", "container_image": "sim:local"},
    "an empty sweep": {"simulation": "noop", "sweep": []},
    "a sweep of numbers": {"simulation": "noop", "sweep": [1, 2]},
    "a sweep that is too long": {"simulation": "noop", "sweep": [{}] * 10_001},
    "an unknown simulation": {"simulation": CANARY},
    "a simulation like a path": {"simulation": f"../{CANARY}"},
    "a very long simulation": {"simulation": CANARY * 10_000},
    "params that are a list": {"simulation": "noop", "params": [CANARY]},
    "an unknown parameter": {"simulation": "noop", "params": {"unknown": CANARY}},
    "metadata that is a list": {"simulation": "noop", "metadata": [CANARY]},
    "nested metadata": {"simulation": "noop", "metadata": {"a": {"b": CANARY}}},
    "an empty metadata name": {"simulation": "noop", "metadata": {"": CANARY}},
    "a long metadata name": {"simulation": "noop", "metadata": {CANARY * 20: 1}},
    "a control character in a metadata name": {"simulation": "noop", "metadata": {f"{CANARY}\n": 1}},
    "an escape in a metadata value": {"simulation": "noop", "metadata": {"a": f"{CANARY}\x1b[31m"}},
    "much metadata": {"simulation": "noop", "metadata": {"a": CANARY * 10_000}},
    "many metadata": {"simulation": "noop", "metadata": {str(i): CANARY for i in range(100)}},
    "a negative time limit": {"simulation": "noop", "timeout_s": -1},
    "a time limit above the operator's": {"simulation": "noop", "timeout_s": 7200},
    "a priority of one's own": {"simulation": "noop", "priority": 11},
    "retries without end": {"simulation": "noop", "retries": 10**9},
    "an unknown image": {"container_image": f"{CANARY}:latest"},
    "a heat problem that is none": {"simulation": "heat", "params": {"problem": {"domain": CANARY}}},
    "no heat problem": {"simulation": "heat"},
    "a study": {"simulation": "noop", "study": {"a": CANARY}},
}


@pytest.fixture(scope="module")
def clients(open_clients, tmp_path_factory):
    """Clients of one application for all tests here, as nothing that they send may change it."""
    with open_clients(tmp_path_factory.mktemp("refused")) as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(clients):
    return clients.log_in("alice")


@pytest.fixture(scope="module")
def administrator(clients):
    return clients.log_in("root", Role.ADMINISTRATOR)


@pytest.fixture(scope="module")
def stored(clients):
    """Count what is in the tables that a submission could reach."""

    def count() -> dict[str, int]:
        with clients.uow.read() as tx:
            return {
                name: tx.connection.execute(select(func.count()).select_from(schema.metadata.tables[name])).scalar_one()
                for name in TABLES
            }

    return count


def require_refused(answer, statuses=(422,)) -> dict:
    """The answer is a problem of the constant shape with nothing of the input in it."""
    assert answer.status_code in statuses, answer.text[:500]
    problem = answer.json()
    assert set(problem) - {"errors"} == MEMBERS
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert "7777" not in re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", answer.text)  # an id may have it
    assert len(answer.content) < 20_000
    assert not re.search(r"Traceback|File \"|SELECT|sqlalchemy|pydantic", answer.text)
    return problem


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_json_that_grid_accepts(alice, stored, body):
    before = stored()
    problem = require_refused(alice.post(JOBS, content=body, headers=JSON))

    assert problem["type"] == "/problems/invalid-json"
    assert stored() == before


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values], ids=str
)
@pytest.mark.parametrize("target", [{"simulation": "heat-rod"}, {"container_image": "sim:local"}], ids=["rod", "image"])
def test_a_parameter_outside_its_limits_is_named_with_the_limit(alice, stored, target, name, value):
    before = stored()
    problem = require_refused(alice.post(JOBS, json={**target, "params": {name: value}}))

    assert [error["field"] for error in problem["errors"]] == [f"params.{name}"]
    assert all(error["limit"] for error in problem["errors"])
    assert stored() == before


@pytest.mark.parametrize("submission", WRONG_SUBMISSIONS.values(), ids=WRONG_SUBMISSIONS)
def test_a_submission_that_cannot_be_is_refused_before_anything_is_stored(alice, stored, submission):
    before = stored()
    answer = alice.post(JOBS, content=json.dumps(submission), headers={**JSON, "Idempotency-Key": "k-1"})

    require_refused(answer, statuses=(422, 409) if "container_image" in str(submission) else (422,))
    assert stored() == before


def test_a_giant_is_refused_at_once_and_not_allocated(alice, stored):
    before = stored()
    giant = {"spatial_steps": 1_000_000, "time_steps": 1_000_000, "end_time": 1e6}
    problem = require_refused(alice.post(JOBS, json={"simulation": "heat-rod", "params": giant}))

    assert problem["type"] == "/problems/too-large"
    assert re.search(r"estimated.*allowed", problem["detail"])
    assert stored() == before


def test_one_bad_point_refuses_the_whole_sweep_and_is_named_by_its_place(alice, stored):
    before = stored()
    sweep = [{"length": 1.0}] * 500
    sweep[321] = {"length": -1.0}
    problem = require_refused(alice.post(JOBS, json={"simulation": "heat-rod", "sweep": sweep}))

    assert [error["field"] for error in problem["errors"]] == ["sweep[321].length"]
    assert stored() == before


def test_a_sweep_of_mistakes_is_answered_briefly(alice, stored):
    before = stored()
    problem = require_refused(
        alice.post(JOBS, json={"simulation": "heat-rod", "sweep": [{"unknown": CANARY, "length": -1}] * 10_000})
    )

    assert len(problem["errors"]) <= 100
    assert stored() == before


@pytest.mark.parametrize(
    "query",
    [
        *("page=0", "page=-1", "page=NaN", "page=1.5", f"page={LONG[:400]}", "page=", "page=1e3"),
        *("size=0", "size=201", "size=999999999999999999999", "size=all"),
        *(f"status={CANARY}", "status=", "status=SUCCESS", "status=%00", "status=success&status=%ff"),
        *(f"sweep={CANARY}", "sweep=%00", "sweep=../../etc", "simulation=%00", f"simulation={'a' * 101}"),
        *("metadata.%00=1", "metadata.a=%00", "metadata.=1", f"metadata.{'a' * 65}=1", "metadata.a=%c2%9b"),
        *("metadata.a=%0a", "all=perhaps"),
        *("label=a", "label=", "label=:1", "label=a:1&label=a:2", "label=a:1&metadata.a=2", "label=a:%00"),
        *("after=x", "after=", "limit=0", "limit=201", f"after={NO_ID}&page=1", "limit=5&size=5", "after=%00"),
        *("unknown=1", "Page=1", "page%00=1", "statuss=success", "=1", "label.a=1"),
    ],
)
def test_a_query_that_cannot_be_is_refused(alice, query):
    require_refused(alice.get(f"{JOBS}?{query}"))


@pytest.mark.parametrize(
    "query",
    [
        *("metadata.a=%ff", "metadata.a=%ed%a0%80", "label=a:%ff", "metadata.a='; DROP TABLE jobs"),
        *("metadata.a'--=1", "metadata.$.a%22=1"),
    ],
)
def test_a_query_that_matches_nothing_finds_nothing(alice, query):
    assert alice.get(f"{JOBS}?{query}").json()["total"] == 0


@pytest.mark.parametrize("suffix", ["", "/logs", "/logs/stream", "/result", "/artifacts", "/artifacts/result.csv"])
@pytest.mark.parametrize("name", ["%00", CANARY, "0", "-1", "a" * 300, "%ff%fe", "1e9", "%2e%2e", LONG[:200], "'--"])
def test_an_id_that_is_none_is_refused_and_not_repeated_as_a_value(alice, name, suffix):
    answer = alice.get(f"{JOBS}/{name}{suffix}")
    problem = answer.json()

    assert answer.status_code == 422
    assert [error["field"] for error in problem["errors"]] == ["job_id"]
    assert CANARY not in problem["detail"] + str(problem["errors"])


@pytest.mark.parametrize("key", ["", " ", "a" * 256, "ké", "a\tb", "\x7f", "k" * 5_000])
def test_an_idempotency_key_that_cannot_be_is_refused(alice, stored, key):
    before = stored()
    headers = {**JSON, "Idempotency-Key": key.encode("latin-1")}
    require_refused(alice.post(JOBS, content=b'{"simulation": "noop"}', headers=headers))

    assert stored() == before


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/auth/login"), ("POST", "/api/v1/auth/refresh"), ("POST", "/api/v1/users")]
)
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_every_other_body_is_read_as_strictly(administrator, method, path, body):
    if len(body) > 100 * 1024:
        body = body[: 90 * 1024]
    require_refused(administrator.request(method, path, content=body, headers=JSON))
