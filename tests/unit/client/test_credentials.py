"""Commands always have a valid token, never race for one, and leave nothing that others can read."""

import json
import stat
import subprocess
import sys
import threading
import time

import httpx
import pytest

from grid.client.credentials import LocalCredential
from grid.client.errors import ProblemError
from grid.core.errors import AuthenticationError, ConfigurationError
from grid.core.proofs import make_proof
from grid.core.secrets import secrets_folder, write_private

ADDRESS = "http://127.0.0.1:8000"
KEY = b"4Jc0p1dWq8vXyZ7rTnB2mLkHsGfDaQeU"


class Server(httpx.MockTransport):
    """Gives out numbered tokens, and rotates refresh tokens as Grid does: one that is used twice is a reuse."""

    def __init__(self):
        super().__init__(self.answer)
        self.lock = threading.Lock()
        self.count, self.calls, self.reuses = 0, [], 0
        self.live = set()
        self.expires_in = 900
        self.key = KEY
        self.refuse = {}  # path: status

    def answer(self, request):
        path = request.url.path.removeprefix("/api/v1/auth/")
        if path == "proof":
            asked = request.url.params["nonce"]
            return httpx.Response(200, json={"proof": make_proof(self.key, asked, request.url.host, request.url.port)})
        body = json.loads(request.content) if request.content else {}
        time.sleep(0.005)  # long enough for commands to overtake each other
        with self.lock:
            self.calls.append((path, body))
            if path in self.refuse:
                return problem(self.refuse[path])
            if path == "logout":
                return httpx.Response(204)
            if path == "login" and body["password"] != "right":
                return problem(401)
            if path == "refresh":
                if body["refresh_token"] not in self.live:
                    self.reuses += 1
                    return problem(401)
                self.live.remove(body["refresh_token"])
            return self.tokens()

    def tokens(self):
        self.count += 1
        self.live.add(f"refresh{self.count}")
        return httpx.Response(
            200,
            json={
                "access_token": f"access{self.count}",
                "refresh_token": f"refresh{self.count}",
                "token_type": "bearer",
                "expires_in": self.expires_in,
            },
        )

    def paths(self):
        return [path for path, _ in self.calls]


def problem(status):
    return httpx.Response(status, json={"type": "/problems/x", "title": "No", "status": status, "detail": "No."})


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def home(tmp_path):
    write_private(secrets_folder(tmp_path) / "admin.json", json.dumps({"username": "admin", "password": "right"}))
    write_private(secrets_folder(tmp_path) / "server.key", KEY.decode() + "\n")
    return tmp_path


@pytest.fixture
def credential(home, server):
    return LocalCredential(home, ADDRESS, transport=server)


def age(home, seconds):
    """Let the cached token be that much older."""
    path = home / "secrets" / "session.json"
    document = json.loads(path.read_text())
    document["expires_at"] -= seconds
    write_private(path, json.dumps(document))


def test_the_local_administrator_is_logged_in_without_asking(credential, server):
    assert credential.access_token() == "access1"
    assert server.calls == [("login", {"username": "admin", "password": "right"})]


def test_later_commands_use_the_token_that_is_there(credential, server, home):
    assert [credential.access_token() for _ in range(5)] == ["access1"] * 5
    assert LocalCredential(home, ADDRESS, transport=server).access_token() == "access1"
    assert server.paths() == ["login"]


def test_the_token_is_kept_where_nobody_else_can_read_it(credential, home):
    credential.access_token()
    folder = home / "secrets"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "admin.json": 0o600,
        "server.key": 0o600,
        "session.json": 0o600,
        "session.lock": 0o600,
    }


@pytest.mark.parametrize(("seconds", "renewed"), [(800, False), (841, True), (899, True), (5000, True)])
def test_a_token_is_renewed_in_the_last_minute_of_its_life(credential, server, home, seconds, renewed):
    credential.access_token()
    age(home, seconds)

    assert credential.access_token() == ("access2" if renewed else "access1")
    assert server.paths() == ["login", "refresh"][: 1 + renewed]


def test_commands_at_the_same_time_renew_once_and_never_reuse_a_refresh_token(home, server):
    LocalCredential(home, ADDRESS, transport=server).access_token()
    for _ in range(5):
        age(home, 870)
        found, barrier = [], threading.Barrier(12)

        def command(found=found, barrier=barrier):
            credential = LocalCredential(home, ADDRESS, transport=server)
            barrier.wait()
            found.append(credential.access_token())

        threads = [threading.Thread(target=command) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 12
        assert len(set(found)) == 1

    assert server.paths() == ["login"] + ["refresh"] * 5
    assert server.reuses == 0


HOLD = """
import sys, time
from pathlib import Path
from grid.client.credentials import LocalCredential
with LocalCredential(Path(sys.argv[1]), "http://127.0.0.1:8000")._lock():
    print("held", flush=True)
    sys.stdin.read()
    print("released", flush=True)
"""


def test_processes_exclude_each_other_too(credential, home):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        entered = threading.Event()
        thread = threading.Thread(target=lambda: (credential.access_token(), entered.set()))
        thread.start()
        assert not entered.wait(0.2)
        other.stdin.close()
        assert other.stdout.readline() == "released\n"
        thread.join()

    assert entered.is_set()


def test_a_session_that_ended_is_opened_again_for_the_local_administrator(credential, server, home):
    credential.access_token()
    server.live.clear()
    age(home, 900)

    assert credential.access_token() == "access2"
    assert server.calls[-1] == ("login", {"username": "admin", "password": "right", "refresh_token": "refresh1"})


def test_a_person_whose_session_ended_has_to_log_in_again(credential, server, home):
    credential.log_in("Hilde", "right")
    server.live.clear()
    age(home, 900)

    with pytest.raises(AuthenticationError, match="grid auth login"):
        credential.access_token()
    assert server.paths() == ["login", "refresh"]


def test_after_a_login_commands_act_as_that_user_until_the_logout(credential, server):
    credential.access_token()
    credential.log_in("hilde", "right")
    assert credential.access_token() == "access2"
    credential.log_out()

    assert credential.access_token() == "access3"
    assert [body.get("username") for path, body in server.calls if path == "login"] == ["admin", "hilde", "admin"]
    assert server.paths() == ["login", "login", "logout", "login"]


def test_a_refused_login_keeps_the_session_that_was_there(credential):
    credential.access_token()
    with pytest.raises(ProblemError):
        credential.log_in("hilde", "wrong")

    assert credential.access_token() == "access1"


def test_a_token_that_the_server_refuses_can_be_renewed_early(credential, server):
    assert credential.access_token() == "access1"
    assert credential.access_token(renew=True) == "access2"
    assert server.paths() == ["login", "refresh"]


def test_tokens_of_one_server_are_not_sent_to_another(credential, home, server):
    credential.access_token()

    assert LocalCredential(home, "http://127.0.0.1:9000", transport=server).access_token() == "access2"
    assert all("refresh_token" not in body for _, body in server.calls)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"address": 1}', "null"])
def test_a_damaged_cache_counts_as_none(credential, home, content):
    write_private(secrets_folder(home) / "session.json", content)

    assert credential.access_token() == "access1"


def test_a_cache_that_others_can_read_is_refused(credential, home):
    credential.access_token()
    (home / "secrets" / "session.json").chmod(0o644)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        credential.access_token()


def test_without_a_credential_it_says_what_to_do(tmp_path, server):
    with pytest.raises(AuthenticationError, match="grid auth login"):
        LocalCredential(tmp_path, ADDRESS, transport=server).access_token()


@pytest.mark.parametrize("content", ["{", "[]", '{"username": "admin"}'])
def test_a_damaged_credential_says_what_to_do(home, credential, content):
    write_private(home / "secrets" / "admin.json", content)

    with pytest.raises(AuthenticationError, match="damaged"):
        credential.access_token()


def test_a_credential_that_the_server_does_not_know_says_what_to_do(credential, home):
    write_private(home / "secrets" / "admin.json", '{"username": "admin", "password": "old"}')

    with pytest.raises(AuthenticationError, match=r"admin\.json"):
        credential.access_token()


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_is_no_reason_to_forget_the_session(credential, server, home, status):
    credential.access_token()
    age(home, 870)
    server.refuse["refresh"] = status
    with pytest.raises(ProblemError):
        credential.access_token()
    server.refuse.clear()

    assert credential.access_token() == "access2"


def test_a_logout_forgets_the_tokens_even_where_the_session_had_ended(credential, server, home):
    credential.access_token()
    server.refuse["logout"] = 401
    credential.log_out()

    assert not (home / "secrets" / "session.json").exists()


def test_the_cache_does_not_print_its_tokens(credential):
    credential.access_token()

    assert "access1" not in repr(credential._read())
    assert "refresh1" not in repr(credential._read())
