"""Users over HTTP: your own account, and everybody's for administrators."""

from uuid import uuid4

import pytest

from grid.database.users import Role
from grid.services import audit

USERS, ME, LOGIN = "/api/v1/users", "/api/v1/users/me", "/api/v1/auth/login"
PASSWORD, NEW_PASSWORD = "correct horse battery staple 9", "a boundary layer of marmalade"
CAROL = {"username": "carol", "password": NEW_PASSWORD}


def without_request(answer):
    document = answer.json()
    document.pop("request_id")
    document.pop("instance")
    return document


def attempts(client, user_id):
    return {
        "list": client.get(USERS),
        "add": client.post(USERS, json=CAROL),
        "change": client.patch(f"{USERS}/{user_id}", json={"role": "admin"}),
        "change unknown": client.patch(f"{USERS}/{uuid4()}", json={"role": "admin"}),
    }


def test_a_stranger_gets_nothing(anonymous):
    answers = attempts(anonymous, uuid4())
    answers["me"] = anonymous.get(ME)
    answers["password"] = anonymous.post(f"{ME}/password", json={"current_password": "x", "new_password": NEW_PASSWORD})

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)


def test_a_user_gets_nothing_that_is_for_administrators(alice, bob):
    answers = attempts(alice, bob.user_id)

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 403)
    assert without_request(answers["change"]) == without_request(answers["change unknown"])
    assert bob.get(ME).json()["role"] == "user"


def test_a_user_cannot_promote_himself(alice):
    assert alice.patch(f"{USERS}/{alice.user_id}", json={"role": "admin"}).status_code == 403
    assert alice.patch(f"{USERS}/me", json={"role": "admin"}).status_code in {403, 405, 422}
    assert alice.get(ME).json()["role"] == "user"


def test_everybody_sees_his_own_account(alice):
    answer = alice.get(ME).json()

    assert set(answer) == {"id", "username", "role", "session_id"}
    assert (answer["id"], answer["username"], answer["role"]) == (str(alice.user_id), "alice", "user")


def test_an_administrator_adds_a_user_who_can_log_in(administrator, anonymous):
    answer = administrator.post(USERS, json={**CAROL, "username": "Carol"})

    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "username", "role", "disabled", "created_at", "password_changed_at"}
    assert answer.json()["username"] == "carol"
    assert anonymous.post(LOGIN, json=CAROL).status_code == 200


def test_a_name_is_given_once(administrator):
    assert administrator.post(USERS, json=CAROL).status_code == 201
    again = administrator.post(USERS, json={**CAROL, "username": "CAROL"})

    assert (again.status_code, again.json()["type"]) == (409, "/problems/username-taken")


@pytest.mark.parametrize(
    "change",
    [
        {"username": ""},
        {"username": "x" * 65},
        {"username": "two words"},
        {"username": "-rf"},
        {"username": "admin\n"},
        {"username": "müller"},
        {"username": None},
        {"password": "short"},
        {"password": "x" * 129},
        {"password": "passwordpassword"},
        {"password": "carolcarolcarol"},
        {"password": None},
        {"role": "root"},
        {"role": ["admin"]},
        {"id": str(uuid4())},
        {"disabled": False},
        {"quota": 5},
    ],
)
def test_an_invalid_user_is_refused_by_field_and_not_repeated(administrator, change):
    answer = administrator.post(USERS, json={**CAROL, **change})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(change))
    assert NEW_PASSWORD not in answer.text
    assert administrator.get(USERS).json()["total"] == 1


def test_the_list_has_pages_and_no_secrets(administrator, add_user):
    for number in range(3):
        add_user(f"user{number}")
    answer = administrator.get(USERS, params={"page": 2, "size": 2})

    assert [user["username"] for user in answer.json()["items"]] == ["user1", "user2"]
    assert (answer.json()["total"], answer.json()["pages"]) == (4, 2)
    assert "argon2" not in answer.text
    assert "password_hash" not in answer.text


@pytest.mark.parametrize(
    "query", [{"page": 0}, {"page": -1}, {"page": 10**12}, {"size": 0}, {"size": 201}, {"page": "x"}]
)
def test_a_page_outside_its_limits_is_refused(administrator, query):
    assert administrator.get(USERS, params=query).status_code == 422


def test_disabling_a_user_ends_his_sessions_at_once_and_letting_him_in_again_does_not_revive_them(administrator, alice):
    assert alice.get(ME).status_code == 200
    answer = administrator.patch(f"{USERS}/{alice.user_id}", json={"disabled": True})

    assert (answer.status_code, answer.json()["disabled"]) == (200, True)
    assert alice.get(ME).status_code == 401
    assert alice.post(LOGIN, json={"username": "alice", "password": PASSWORD}).status_code == 401
    assert administrator.patch(f"{USERS}/{alice.user_id}", json={"disabled": False}).json()["disabled"] is False
    assert alice.get(ME).status_code == 401
    assert alice.post(LOGIN, json={"username": "alice", "password": PASSWORD}).status_code == 200


def test_a_new_role_ends_the_sessions_and_holds_from_the_next_login(administrator, alice):
    assert administrator.patch(f"{USERS}/{alice.user_id}", json={"role": "admin"}).json()["role"] == "admin"
    assert alice.get(ME).status_code == 401
    token = alice.post(LOGIN, json={"username": "alice", "password": PASSWORD}).json()["access_token"]

    assert alice.get(USERS, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_last_administrator_stays(administrator, client_for):
    own = f"{USERS}/{administrator.user_id}"
    refused = [administrator.patch(own, json=change) for change in ({"role": "user"}, {"disabled": True})]

    assert {(answer.status_code, answer.json()["type"]) for answer in refused} == {
        (409, "/problems/last-administrator")
    }
    client_for("second", Role.ADMINISTRATOR)
    assert administrator.patch(own, json={"role": "user"}).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"role": None}, {"password": NEW_PASSWORD}, {"username": "x"}, {"disabled": "maybe"}]
)
def test_a_change_of_nothing_or_of_something_else_is_refused(administrator, alice, body):
    assert administrator.patch(f"{USERS}/{alice.user_id}", json=body).status_code == 422


@pytest.mark.parametrize("user_id", ["7d9f3b52-5d0c-4c1e-9a47-0d8c5c3f6a10", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_user_is_not_found(administrator, user_id):
    assert administrator.patch(f"{USERS}/{user_id}", json={"disabled": True}).status_code == 404


def test_a_new_password_ends_every_session(alice):
    other = alice.post(LOGIN, json={"username": "alice", "password": PASSWORD}).json()["access_token"]
    answer = alice.post(f"{ME}/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD})

    assert answer.status_code == 204
    assert alice.get(ME).status_code == 401
    assert alice.get(ME, headers={"Authorization": f"Bearer {other}"}).status_code == 401
    assert alice.post(LOGIN, json={"username": "alice", "password": PASSWORD}).status_code == 401
    assert alice.post(LOGIN, json={"username": "alice", "password": NEW_PASSWORD}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current_password": "not-the-right-one", "new_password": NEW_PASSWORD}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": "passwordpassword"}, "new_password"),
        ({"new_password": NEW_PASSWORD}, "current_password"),
    ],
)
def test_a_refused_new_password_changes_nothing_and_is_not_repeated(alice, body, field):
    answer = alice.post(f"{ME}/password", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert not any(value in answer.text for value in body.values())
    assert alice.get(ME).status_code == 200


def test_every_act_of_an_administrator_has_one_audit_entry(administrator, uow):
    user_id = administrator.post(USERS, json=CAROL).json()["id"]
    administrator.patch(f"{USERS}/{user_id}", json={"disabled": True})
    administrator.patch(f"{USERS}/{user_id}", json={"disabled": True})  # changes nothing
    entries = [entry for entry in audit.export(uow) if entry["action"].startswith("user.")]

    assert [(entry["action"], entry["subject"], entry["actor_id"]) for entry in entries] == [
        ("user.create", f"user:{user_id}", str(administrator.user_id)),
        ("user.change", f"user:{user_id}", str(administrator.user_id)),
    ]
    assert audit.verify(uow).is_intact
