"""Logging in, staying logged in and logging out over HTTP; and the many ways of not being let in."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from grid.core.proofs import make_nonce, make_proof
from grid.core.secrets import load_server_key
from grid.core.tokens import TokenSigner, make_refresh_token
from grid.database.users import Role
from grid.services import audit
from grid.services.identity import IdentityService

LOGIN, REFRESH, LOGOUT, ME = (f"/api/v1/{path}" for path in ("auth/login", "auth/refresh", "auth/logout", "users/me"))
PASSWORD = "correct horse battery staple 9"


def body_of(answer):
    """Return a problem without what is this request's alone."""
    document = answer.json()
    document.pop("request_id")
    return document


def log_in(client, username="alice", password=PASSWORD, **more):
    return client.post(LOGIN, json={"username": username, "password": password, **more})


def me(client, token):
    return client.get(ME, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def signer(container):
    return container.get(TokenSigner)


def test_a_stranger_gets_nothing(anonymous):
    answer = anonymous.get(ME)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_login_gives_tokens_that_open_the_door(anonymous, add_user):
    user_id = add_user("alice")
    answer = log_in(anonymous)
    tokens = answer.json()

    assert answer.status_code == 200
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert me(anonymous, tokens["access_token"]).json()["id"] == str(user_id)


def test_the_scheme_is_named_in_any_case(anonymous, add_user):
    add_user("alice")
    token = log_in(anonymous).json()["access_token"]

    assert anonymous.get(ME, headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_unknown_wrong_and_disabled_get_the_same_answer(anonymous, add_user, uow):
    add_user("alice")
    disabled = add_user("dora")
    with uow.begin() as tx:
        tx.users.set_disabled(disabled, tx.now())
    answers = [log_in(anonymous, "nobody"), log_in(anonymous, password="not-the-right-one"), log_in(anonymous, "dora")]

    assert {answer.status_code for answer in answers} == {401}
    assert body_of(answers[0]) == body_of(answers[1]) == body_of(answers[2])
    assert len({tuple(sorted(set(answer.headers) - {"x-request-id"})) for answer in answers}) == 1


def make_forgeries(signer, pair):
    """Return tokens that must not be believed, by what is wrong with them."""
    user_id, session_id = uuid4(), pair["session_id"]
    good = pair["access_token"]
    head, claims, signature = good.split(".")
    other = TokenSigner((b"another instance's key, 32 bytes!",))
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    return {
        "the refresh token": pair["refresh_token"],
        "another refresh token": make_refresh_token(),
        "another instance's": other.issue(user_id=user_id, session_id=session_id).text,
        "expired": signer.issue(
            user_id=pair["user_id"], session_id=session_id, now=datetime.now(UTC) - timedelta(hours=1)
        ).text,
        "from the future": signer.issue(
            user_id=pair["user_id"], session_id=session_id, now=datetime.now(UTC) + timedelta(hours=1)
        ).text,
        "of another user": signer.issue(user_id=user_id, session_id=session_id).text,
        "of no session": signer.issue(user_id=pair["user_id"], session_id=uuid4()).text,
        "none": f"{none}.{claims}.",
        "unsigned": f"{head}.{claims}.",
        "signature of another": f"{head}.{claims}.{other.issue(user_id=user_id, session_id=session_id).text[-43:]}",
        "truncated": good[:-1],
        "twice": f"{good} {good}",
        "a comma": f"{good},{good}",
        "padded": f"{good}=",
        "empty": "",
        "words": "let me in",
        "long": "a" * 3000,
        "four parts": f"{good}.{signature}",
    }


def test_every_forged_token_gets_the_same_answer(anonymous, add_user, signer):
    """Every way of forging is in tests/unit/core/test_tokens.py; here it is one answer that counts."""
    user_id = add_user("alice")
    pair = log_in(anonymous).json()
    session_id = signer.verify(pair["access_token"]).session_id
    forgeries = make_forgeries(signer, {**pair, "user_id": user_id, "session_id": session_id})
    answers = {name: me(anonymous, token) for name, token in forgeries.items()}
    bodies = {json.dumps(body_of(answer)) for answer in answers.values()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(forgeries, 401)
    assert len(bodies) == 1
    assert me(anonymous, pair["access_token"]).status_code == 200


@pytest.mark.parametrize("header", ["Basic YWxpY2U6cGFzc3dvcmQ=", "Token abc", "Bearer", "bearer  ", "", "\t"])
def test_another_scheme_is_not_accepted(anonymous, header):
    assert anonymous.get(ME, headers={"Authorization": header}).status_code == 401


def test_two_authorization_headers_are_not_accepted(anonymous, add_user):
    add_user("alice")
    bearer = f"Bearer {log_in(anonymous).json()['access_token']}"
    headers = [("Authorization", bearer), ("Authorization", bearer)]

    assert anonymous.get(ME, headers=headers).status_code == 401


def test_a_token_is_not_read_from_the_address_or_a_cookie(anonymous, add_user):
    add_user("alice")
    token = log_in(anonymous).json()["access_token"]

    assert anonymous.get(ME, params={"access_token": token, "token": token}).status_code == 401
    assert (
        anonymous.get(ME, headers={"Cookie": f"access_token={token}; Authorization=Bearer {token}"}).status_code == 401
    )


def test_a_refresh_gives_a_new_pair(anonymous, add_user):
    add_user("alice")
    first = log_in(anonymous).json()
    answer = anonymous.post(REFRESH, json={"refresh_token": first["refresh_token"]})

    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != first["refresh_token"]
    assert me(anonymous, answer.json()["access_token"]).status_code == 200


def test_a_reused_refresh_token_ends_the_session_everywhere_at_once(anonymous, add_user):
    add_user("alice")
    tokens = [log_in(anonymous).json()]
    for _ in range(2):
        tokens.append(anonymous.post(REFRESH, json={"refresh_token": tokens[-1]["refresh_token"]}).json())
    assert me(anonymous, tokens[-1]["access_token"]).status_code == 200
    reused = anonymous.post(REFRESH, json={"refresh_token": tokens[0]["refresh_token"]})

    assert reused.status_code == 401
    assert {me(anonymous, pair["access_token"]).status_code for pair in tokens} == {401}
    assert anonymous.post(REFRESH, json={"refresh_token": tokens[-1]["refresh_token"]}).status_code == 401


def test_of_fifty_refreshes_at_once_exactly_one_succeeds(connect, add_user, monkeypatch):
    """The first eight meet before any of them is decided: requests in turn would be retries, which are allowed."""
    add_user("alice")
    clients = [connect() for _ in range(8)]
    first = log_in(clients[0]).json()["refresh_token"]
    barrier, rotate = threading.Barrier(8), IdentityService._rotate
    places = iter(range(50))

    def rotate_together(service, *args, **more):
        if next(places) < 8:
            barrier.wait(20)
        return rotate(service, *args, **more)

    monkeypatch.setattr(IdentityService, "_rotate", rotate_together)
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda number: clients[number % 8].post(REFRESH, json={"refresh_token": first}), range(50))
        )
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code != 200]

    monkeypatch.undo()
    assert len(won) == 1
    assert {(answer.status_code, answer.json()["type"]) for answer in lost} == {(409, "/problems/refresh-superseded")}
    assert clients[0].post(REFRESH, json={"refresh_token": won[0].json()["refresh_token"]}).status_code == 200


def test_a_refresh_after_a_lost_answer_succeeds(anonymous, add_user):
    add_user("alice")
    first = log_in(anonymous).json()["refresh_token"]
    anonymous.post(REFRESH, json={"refresh_token": first})
    again = anonymous.post(REFRESH, json={"refresh_token": first})

    assert again.status_code == 200
    assert anonymous.post(REFRESH, json={"refresh_token": again.json()["refresh_token"]}).status_code == 200


def test_a_logout_ends_the_session_at_once(alice):
    token = alice.headers["Authorization"]
    assert alice.get(ME).status_code == 200

    assert alice.post(LOGOUT).status_code == 204
    assert alice.get(ME, headers={"Authorization": token}).status_code == 401
    assert alice.post(LOGOUT).status_code == 401


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "text/html"]
)
@pytest.mark.parametrize("path", [LOGIN, REFRESH])
def test_only_json_is_read(anonymous, path, media_type):
    form = "grant_type=password&username=alice&password=correct"

    assert anonymous.post(path, content=form, headers={"Content-Type": media_type}).status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "alice"},
        {"username": "alice", "password": ""},
        {"username": "", "password": PASSWORD},
        {"username": "alice", "password": "x" * 257},
        {"username": ["alice"], "password": PASSWORD},
        {"username": "alice", "password": {"$ne": ""}},
        {"username": "alice", "password": 1},
        {"username": "alice", "password": PASSWORD, "role": "admin"},
        {"username": "alice", "password": PASSWORD, "id": str(uuid4())},
        [],
        "alice",
        None,
    ],
)
def test_a_malformed_login_is_refused_without_repeating_it(anonymous, body):
    answer = anonymous.post(LOGIN, json=body)

    assert answer.status_code == 422
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("username", ["' OR 1=1 --", "admin\u0000", "../../etc/passwd", "é" * 100, "\U0001f525"])
def test_a_strange_user_name_is_unknown_or_invalid(anonymous, username):
    assert log_in(anonymous, username).status_code in {401, 422}


def test_guessing_is_slowed_down_and_the_owner_comes_in(anonymous, add_user):
    add_user("alice")
    known = log_in(anonymous).json()["refresh_token"]
    guesses = [log_in(anonymous, password="not-the-right-one") for _ in range(11)]
    refused = log_in(anonymous)

    assert [guess.status_code for guess in guesses] == [401] * 10 + [429]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 900
    assert log_in(anonymous, refresh_token=known).status_code == 200


def test_a_forwarded_address_is_not_believed(anonymous):
    guesses = [
        anonymous.post(
            LOGIN,
            json={"username": f"user{number}", "password": "not-the-right-one"},
            headers={"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"},
        )
        for number in range(31)
    ]

    assert [guess.status_code for guess in guesses] == [401] * 30 + [429]


def test_login_refresh_and_logout_have_one_audit_entry_each(alice, uow):
    before = [entry["action"] for entry in audit.export(uow)]
    tokens = log_in(alice).json()
    alice.post(REFRESH, json={"refresh_token": tokens["refresh_token"]})
    alice.post(LOGOUT, headers={"Authorization": f"Bearer {tokens['access_token']}"})

    assert [entry["action"] for entry in audit.export(uow)][len(before) :] == [
        "session.open",
        "session.refresh",
        "session.close",
    ]


def test_a_role_is_never_read_from_the_token(client_for, uow):
    administrator = client_for("root", Role.ADMINISTRATOR)
    assert administrator.get("/api/v1/users").status_code == 200
    with uow.begin() as tx:
        tx.users.set_role(administrator.user_id, Role.USER)

    assert administrator.get("/api/v1/users").status_code == 403


def test_the_server_proves_itself_to_whoever_asks_and_says_nothing_else(anonymous, settings):
    nonce = make_nonce()
    answer = anonymous.get("/api/v1/auth/proof", params={"nonce": nonce})
    assert answer.status_code == 200
    key = load_server_key(settings.grid_home)
    assert answer.json() == {"proof": make_proof(key, nonce, "127.0.0.1", 8000)}
    assert anonymous.get("/api/v1/auth/proof", params={"nonce": "short"}).status_code == 422
