"""Where a user is logged in, and logging out elsewhere."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.unit.api.conftest import PASSWORD

from grid.services import audit, sessions

SESSIONS, ME, LOGIN, REFRESH = (
    f"/api/v1/{path}" for path in ("users/me/sessions", "users/me", "auth/login", "auth/refresh")
)


def log_in(client, **headers):
    return client.post(LOGIN, json={"username": "alice", "password": PASSWORD}, headers=headers).json()


def list_ids(client):
    return [one["id"] for one in client.get(SESSIONS).json()["items"]]


def test_a_stranger_sees_no_session(anonymous):
    assert anonymous.get(SESSIONS).status_code == 401
    assert anonymous.delete(f"{SESSIONS}/{uuid4()}").status_code == 401


def test_sessions_say_by_what_they_were_opened(alice, connect):
    log_in(connect(), **{"User-Agent": b"probe\x01 \xe9" + b"x" * 300})
    page = {"Origin": "http://127.0.0.1:8000", "User-Agent": "Firefox"}
    connect().post("/api/v1/auth/web/login", json={"username": "alice", "password": PASSWORD}, headers=page)
    newest, program, own = alice.get(SESSIONS).json()["items"]

    assert (newest["kind"], newest["agent"]) == ("browser", "Firefox")
    assert (program["kind"], len(program["agent"])) == ("program", 200)
    assert program["agent"].startswith("probe ")
    assert {one["address"] for one in (newest, program, own)} == {"testclient"}
    assert [one["is_current"] for one in (newest, program, own)] == [False, False, True]
    assert own["id"] == alice.get(ME).json()["session_id"]
    assert own["expires_at"] > own["refreshed_at"] >= own["created_at"]


def test_only_ones_own_sessions_that_can_be_used_are_listed(alice, bob, connect, uow):
    gone = log_in(connect())
    alice.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {gone['access_token']}"})

    assert list_ids(alice) == [alice.get(ME).json()["session_id"]]
    assert list_ids(bob) == [bob.get(ME).json()["session_id"]]
    now = datetime.now(UTC)
    for later, expected in ((timedelta(days=13), 1), (timedelta(days=15), 0)):  # nobody refreshes it: it is idle
        with uow.read() as tx:
            assert len(tx.sessions.list_alive(alice.user_id, now=now + later, limit=10)) == expected


def test_a_session_that_its_user_ends_ends_at_once(alice, connect, uow):
    other = connect()
    tokens = log_in(other)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert other.get(ME, headers=bearer).status_code == 200
    session_id = other.get(ME, headers=bearer).json()["session_id"]

    assert alice.delete(f"{SESSIONS}/{session_id}").status_code == 204
    assert other.get(ME, headers=bearer).status_code == 401
    assert other.post(REFRESH, json={"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert alice.delete(f"{SESSIONS}/{session_id}").status_code == 404
    assert alice.get(ME).status_code == 200
    last = list(audit.export(uow))[-1]
    assert (last["action"], last["subject"]) == ("session.end", f"session:{session_id}")


def test_a_user_may_end_the_session_in_use(alice):
    assert alice.delete(f"{SESSIONS}/{alice.get(ME).json()['session_id']}").status_code == 204
    assert alice.get(ME).status_code == 401


def test_the_session_of_another_user_is_not_found_and_lives_on(alice, bob, administrator):
    for session_id in (*list_ids(bob), uuid4()):
        assert alice.delete(f"{SESSIONS}/{session_id}").status_code == 404
        assert administrator.delete(f"{SESSIONS}/{session_id}").status_code == 404
    assert bob.get(ME).status_code == 200


def test_the_list_has_an_end(alice, connect, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_LISTED", 2)
    for _ in range(3):
        log_in(connect())

    assert len(list_ids(alice)) == 2


@pytest.mark.parametrize("name", ["x", "../x", "1"])
def test_what_is_no_id_is_refused_by_its_field(alice, name):
    assert alice.delete(f"{SESSIONS}/{name}").status_code in {404, 405, 422}
