"""Logging a browser in by link or password, two tabs and their one cookie, and attacks on both."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.api.conftest import PASSWORD, Clients

from grid.api.app import create_app
from grid.core.tokens import TokenSigner, make_login_code
from grid.services import audit
from grid.services.identity import IdentityService

API = "/api/v1"
OWN = "http://127.0.0.1:8000"
LINK, WEB, ME = f"{API}/auth/link", f"{API}/auth/web", f"{API}/users/me"
REFRESH_COOKIE, CSRF_COOKIE = "grid_refresh_8000", "grid_csrf_8000"
PAGE = {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}


class Tab:
    """A tab of the page: it sends what the page's scripts send; tabs of one client share its cookies."""

    def __init__(self, client, **headers):
        self.client, self.headers, self.access_token = client, PAGE | headers, None

    def post(self, path, body=None, **headers):
        answer = self.client.post(f"{WEB}/{path}", json=body, headers={**self.headers, **headers})
        if answer.status_code == 200:
            self.access_token = answer.json()["access_token"]
        return answer

    def with_csrf(self, path, **headers):
        return self.post(path, **{"X-CSRF-Token": self.client.cookies.get(CSRF_COOKIE, ""), **headers})

    def log_in(self, username="alice", password=PASSWORD):
        return self.post("login", {"username": username, "password": password})

    def me(self):
        return self.client.get(ME, headers={"Authorization": f"Bearer {self.access_token}"})


def make_code(client):
    answer = client.post(LINK)
    assert answer.status_code == 201, answer.text
    return answer.json()["path"].removeprefix("/login#code=")


def kind_of(answer):
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


@pytest.fixture
def tab(connect, add_user):
    """A tab of a browser in which alice has logged in with her password."""
    add_user("alice")
    opened = Tab(connect())
    assert opened.log_in().status_code == 200
    return opened


@pytest.fixture
def app_of(container, uow, hasher, portal):
    """Make clients of an application with other settings."""
    with ExitStack() as stack:
        yield lambda settings: Clients(create_app(settings, container), uow, hasher, portal, stack)


@pytest.fixture
def hands(uow):
    """A clock of the database whose hands the test turns."""

    class Hands:
        now = datetime.now(UTC)

        def __call__(self):
            return self.now

    uow.database.clock = Hands()
    return uow.database.clock


def test_a_stranger_makes_no_link(anonymous):
    assert anonymous.post(LINK).status_code == 401


def test_a_link_logs_a_browser_in_as_who_made_it(alice, connect):
    answer = alice.post(LINK)
    tab = Tab(connect())
    logged_in = tab.post("link", {"code": answer.json()["path"].removeprefix("/login#code=")})

    assert re.fullmatch(r"/login#code=grid_lc_[A-Za-z0-9_-]{43}", answer.json()["path"])
    left = datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    assert logged_in.status_code == 200
    assert set(logged_in.json()) == {"access_token", "token_type", "expires_in"}
    assert tab.me().json()["id"] == str(alice.user_id)
    assert tab.me().json()["session_id"] != alice.get(ME).json()["session_id"]


def test_the_cookies_are_named_by_port_and_only_the_csrf_token_can_be_read(tab):
    set_cookies = tab.log_in().headers.get_list("set-cookie")
    parts = {cookie.partition("=")[0]: cookie.split("; ")[1:] for cookie in set_cookies}

    assert set(parts) == {REFRESH_COOKIE, CSRF_COOKIE}
    assert set(parts[REFRESH_COOKIE]) == {"HttpOnly", "Max-Age=1209600", "Path=/api/v1/auth/web", "SameSite=strict"}
    assert set(parts[CSRF_COOKIE]) == {"Max-Age=1209600", "Path=/", "SameSite=strict"}
    assert not [cookie for cookie in set_cookies if tab.access_token in cookie]


def test_behind_a_proxy_with_tls_the_cookies_are_secure_and_have_its_port(app_of, settings):
    listed = settings.model_copy(
        update={"grid_allowed_origins": ("https://grid.example",), "grid_allowed_hosts": ("grid.example",)}
    )
    clients = app_of(listed)
    clients.add_user("alice")
    headers = {"Host": "grid.example", "Origin": "https://grid.example"}
    answer = Tab(clients.connect()).post("login", {"username": "alice", "password": PASSWORD}, **headers)
    cookies = answer.headers.get_list("set-cookie")

    assert answer.status_code == 200
    assert {cookie.partition("=")[0] for cookie in cookies} == {"grid_refresh_443", "grid_csrf_443"}
    assert all("; Secure" in cookie for cookie in cookies)
    plain = Tab(clients.connect()).post(
        "login", {"username": "alice", "password": PASSWORD}, **headers | {"Host": "localhost"}
    )
    assert kind_of(plain) == (403, "csrf")  # listed, and not the page of the address that was asked


def test_no_script_gets_the_refresh_token(tab):
    refresh_token = tab.client.cookies[REFRESH_COOKIE]
    answer = tab.with_csrf("refresh")

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert refresh_token not in answer.text
    assert tab.client.cookies[REFRESH_COOKIE] not in answer.text


def test_a_code_is_used_once(alice, connect):
    code = make_code(alice)
    answers = [Tab(connect()).post("link", {"code": code}) for _ in range(2)]

    assert answers[0].status_code == 200
    assert kind_of(answers[1]) == (401, "unauthenticated")
    assert "set-cookie" not in answers[1].headers


def test_of_several_browsers_that_show_one_code_at_once_one_is_let_in(alice, connect):
    code, tabs = make_code(alice), [Tab(connect()) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda tab: tab.post("link", {"code": code}).status_code, tabs))

    assert sorted(answers) == [200, 401, 401, 401]


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (600, 401)])
def test_a_code_is_good_for_ten_minutes(alice, connect, hands, seconds, status):
    code = make_code(alice)
    hands.now += timedelta(seconds=seconds)

    assert Tab(connect()).post("link", {"code": code}).status_code == status


def test_a_code_is_worth_nothing_once_the_session_that_made_it_has_ended(alice, connect):
    code = make_code(alice)
    alice.post(f"{API}/auth/logout")

    assert Tab(connect()).post("link", {"code": code}).status_code == 401


@pytest.mark.parametrize(
    "code", ["?-?", "grid_lc_" + "A" * 43, "grid_rt_" + "A" * 43, "\x00", "\u0663" * 51, "a" * 256]
)
def test_what_is_no_code_of_ours_gets_one_answer(anonymous, code):
    answer = Tab(anonymous).post("link", {"code": code})

    assert answer.status_code in {401, 422}
    assert code not in answer.text


@pytest.mark.parametrize(
    "body", [{}, {"code": ""}, {"code": "a" * 257}, {"code": 1}, {"code": "x", "user": "root"}, []]
)
def test_a_malformed_code_is_refused_by_its_field(anonymous, body):
    assert Tab(anonymous).post("link", body).status_code == 422


def test_only_the_hash_of_a_code_is_stored(alice, uow):
    code = make_code(alice)
    with uow.read() as tx:
        rows = str(tx.connection.exec_driver_sql("SELECT * FROM one_time_tokens").fetchall())

    assert "login" in rows
    assert code.removeprefix("grid_lc_") not in rows


def test_unused_links_of_a_user_are_limited(alice):
    answers = [alice.post(LINK) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert "10 unused login links" in answers[-1].json()["detail"]


def test_guessing_codes_is_slowed_down_and_locks_no_account(anonymous, alice, connect):
    guesses = [Tab(anonymous).post("link", {"code": make_login_code()}).status_code for _ in range(31)]
    code = make_code(alice)

    assert guesses == [401] * 30 + [429]
    assert Tab(connect()).post("link", {"code": code}).status_code == 429  # the same address
    assert Tab(connect()).log_in().status_code == 429


def test_guessing_passwords_is_slowed_down_as_at_the_other_login_and_a_known_browser_comes_in(tab, connect):
    stranger = Tab(connect())
    guesses = [stranger.log_in(password="not-the-right-one").status_code for _ in range(11)]

    assert guesses == [401] * 10 + [429]
    assert stranger.log_in().status_code == 429
    assert tab.log_in().status_code == 200  # its cookie shows that it was here before


FORGED_ORIGINS = {
    "none at all": {},
    "another port": {"Origin": "http://127.0.0.1:3000"},
    "another name of this machine": {"Origin": "http://localhost:8000"},
    "another scheme": {"Origin": "https://127.0.0.1:8000"},
    "another site": {"Origin": "http://evil.example"},
    "null": {"Origin": "null"},
    "a path": {"Origin": f"{OWN}/"},
    "same site": {"Origin": OWN, "Sec-Fetch-Site": "same-site"},
    "cross site": {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
    "typed into the address bar": {"Origin": OWN, "Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("headers", FORGED_ORIGINS.values(), ids=FORGED_ORIGINS.keys())
def test_no_route_of_cookies_answers_another_page(tab, alice_code, headers):
    csrf = {"X-CSRF-Token": tab.client.cookies[CSRF_COOKIE]}
    bodies = {"link": {"code": alice_code}, "login": {"username": "alice", "password": PASSWORD}}
    answers = [
        tab.client.post(f"{WEB}/{path}", json=bodies.get(path), headers=headers | csrf)
        for path in ("link", "login", "refresh", "logout")
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert not [answer for answer in answers if "set-cookie" in answer.headers]
    assert tab.with_csrf("refresh").status_code == 200  # nothing was used up and nothing has ended
    assert tab.post("link", {"code": alice_code}).status_code == 200


@pytest.fixture
def alice_code(tab):
    return make_code_with(tab)


def make_code_with(tab):
    answer = tab.client.post(LINK, headers={"Authorization": f"Bearer {tab.access_token}"})
    return answer.json()["path"].removeprefix("/login#code=")


def test_an_origin_that_a_listed_page_has_is_not_ours(app_of, settings):
    """Pages that an operator lets call with a header of their own have no part in this server's cookies."""
    clients = app_of(settings.model_copy(update={"grid_allowed_origins": ("http://tool.example",)}))
    clients.add_user("alice")
    body = {"username": "alice", "password": PASSWORD}
    headers = {"Origin": "http://tool.example"}

    assert clients.connect().post(f"{API}/auth/login", json=body, headers=headers).status_code == 200
    assert kind_of(clients.connect().post(f"{WEB}/login", json=body, headers=headers)) == (403, "csrf")


@pytest.mark.parametrize("path", ["refresh", "logout"])
def test_a_csrf_token_that_is_missing_or_of_another_session_changes_nothing(tab, connect, add_user, container, path):
    add_user("mallory")
    other = Tab(connect())
    other.log_in("mallory")
    stranger = TokenSigner((b"another instance's key, 32 bytes!",))
    session_id = container.get(TokenSigner).verify(tab.access_token).session_id
    wrong = {
        "none": None,
        "empty": "",
        "of another session": other.client.cookies[CSRF_COOKIE],
        "of another instance": stranger.make_csrf_token(session_id),
        "cut": tab.client.cookies[CSRF_COOKIE][:-1],
        "the session's id": str(session_id),
        "not ASCII": "\xe9" * 64,
    }
    answers = {
        name: kind_of(tab.post(path, **({} if token is None else {"X-CSRF-Token": token.encode("latin-1")})))
        for name, token in wrong.items()
    }

    assert answers == dict.fromkeys(wrong, (403, "csrf"))
    assert tab.me().status_code == 200
    assert tab.with_csrf("refresh").status_code == 200


@pytest.mark.parametrize("path", ["refresh", "logout"])
def test_without_a_cookie_nobody_is_logged_in(anonymous, path):
    assert kind_of(Tab(anonymous).post(path, **{"X-CSRF-Token": "a" * 64})) == (401, "unauthenticated")


def test_the_cookie_of_another_port_is_nobodys(tab, connect):
    """A server on another port of this host, whose cookies the browser sends here too."""
    other = Tab(connect())
    other.client.cookies.set("grid_refresh_8001", tab.client.cookies[REFRESH_COOKIE], path="/api/v1/auth/web")
    answer = other.post("refresh", **{"X-CSRF-Token": tab.client.cookies[CSRF_COOKIE]})

    assert answer.status_code == 401


def test_each_port_has_a_session_of_its_own_in_one_browser(tab):
    at_another = tab.client.post(
        "http://127.0.0.1:8001/api/v1/auth/web/login",
        json={"username": "alice", "password": PASSWORD},
        headers={"Origin": "http://127.0.0.1:8001"},
    )

    assert at_another.status_code == 200
    assert {"grid_refresh_8001", "grid_csrf_8001", REFRESH_COOKIE, CSRF_COOKIE} == set(tab.client.cookies)
    assert tab.with_csrf("refresh").status_code == 200


def test_a_cookie_that_is_there_twice_was_set_by_somebody_else_too(tab):
    """Of two cookies with one name a browser sends both; a page on another port can set one with a longer path."""
    mine, csrf = tab.client.cookies[REFRESH_COOKIE], tab.client.cookies[CSRF_COOKIE]
    cookies = f"{REFRESH_COOKIE}=grid_rt_{'A' * 43}; {REFRESH_COOKIE}={mine}"

    assert kind_of(tab.post("refresh", **{"X-CSRF-Token": csrf, "Cookie": cookies})) == (403, "csrf")


def test_cookies_open_no_other_route(tab):
    bare = {"Cookie": "; ".join(f"{name}={value}" for name, value in tab.client.cookies.items())} | PAGE
    csrf = {"X-CSRF-Token": tab.client.cookies[CSRF_COOKIE]}

    for method, path in (("GET", "/users/me"), ("GET", "/jobs"), ("POST", "/auth/link"), ("POST", "/auth/logout")):
        assert tab.client.request(method, f"{API}{path}", headers=bare | csrf).status_code == 401
    assert tab.client.post(f"{API}/auth/refresh", json={}, headers=bare | csrf).status_code == 422
    assert tab.me().status_code == 200


def test_a_browser_sends_the_refresh_token_to_the_routes_of_cookies_alone(tab):
    sent = {
        path: tab.client.build_request("POST", f"{API}{path}").headers.get("cookie", "")
        for path in ("/auth/web/refresh", "/auth/refresh", "/jobs", "/auth/webs/refresh")
    }

    assert {path for path, cookie in sent.items() if REFRESH_COOKIE in cookie} == {"/auth/web/refresh"}


def test_a_refresh_rotates_the_cookie_and_a_copy_of_an_old_one_ends_the_session(tab, hands):
    old, csrf = tab.client.cookies[REFRESH_COOKIE], tab.client.cookies[CSRF_COOKIE]
    assert tab.with_csrf("refresh").status_code == 200
    assert tab.client.cookies[REFRESH_COOKIE] != old
    hands.now += timedelta(seconds=6)
    copy = {"Cookie": f"{REFRESH_COOKIE}={old}", "X-CSRF-Token": csrf}

    assert tab.post("refresh", **copy).status_code == 401
    assert tab.with_csrf("refresh").status_code == 401
    assert tab.me().status_code == 401


def test_of_two_tabs_that_refresh_at_once_one_is_answered_and_the_other_is_told_to_try_again(tab, connect, monkeypatch):
    """The second tab's request was under way with the old cookie; with the new one, which both share, it succeeds."""
    barrier, rotate = threading.Barrier(2), IdentityService._rotate
    other = Tab(connect())
    sent = {"Cookie": f"{REFRESH_COOKIE}={tab.client.cookies[REFRESH_COOKIE]}"}
    csrf = tab.client.cookies[CSRF_COOKIE]

    def rotate_together(service, *args, **more):
        barrier.wait(20)
        return rotate(service, *args, **more)

    monkeypatch.setattr(IdentityService, "_rotate", rotate_together)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda one: one.post("refresh", **sent, **{"X-CSRF-Token": csrf}), (tab, other)))
    monkeypatch.undo()
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    tab.client.cookies.clear()
    for name, value in won.cookies.items():
        tab.client.cookies.set(name, value, path="/")

    assert won.status_code == 200
    assert kind_of(lost) == (409, "refresh-superseded")
    assert "set-cookie" not in lost.headers
    again = tab.post("refresh", **{"X-CSRF-Token": csrf})
    assert again.status_code == 200
    assert tab.me().status_code == 200


def test_a_refresh_whose_answer_was_lost_is_answered_once_more(tab):
    cookie = {"Cookie": f"{REFRESH_COOKIE}={tab.client.cookies[REFRESH_COOKIE]}"}
    csrf = {"X-CSRF-Token": tab.client.cookies[CSRF_COOKIE]}

    assert tab.post("refresh", **cookie, **csrf).status_code == 200
    assert tab.post("refresh", **cookie, **csrf).status_code == 200
    assert tab.with_csrf("refresh").status_code == 200


def test_a_logout_in_one_tab_ends_both_and_removes_the_cookies(tab):
    other = Tab(tab.client)
    assert other.with_csrf("refresh").status_code == 200
    assert {one.me().status_code for one in (tab, other)} == {200}
    csrf = tab.client.cookies[CSRF_COOKIE]
    cookie = {"Cookie": f"{REFRESH_COOKIE}={tab.client.cookies[REFRESH_COOKIE]}", "X-CSRF-Token": csrf}

    answer = other.with_csrf("logout")

    assert answer.status_code == 204
    assert dict(tab.client.cookies) == {}
    assert [("HttpOnly" in cookie, "Max-Age=0" in cookie) for cookie in answer.headers.get_list("set-cookie")] == [
        (True, True),
        (False, True),
    ]
    assert {one.me().status_code for one in (tab, other)} == {401}
    assert tab.post("refresh", **cookie).status_code == 401
    assert tab.post("logout", **cookie).status_code == 204  # harmless: the tabs may both ask


def test_another_login_in_one_browser_ends_the_session_that_it_replaces(tab, add_user):
    add_user("bob")
    other = Tab(tab.client)
    assert other.log_in("bob").status_code == 200

    assert other.me().json()["username"] == "bob"
    assert tab.me().status_code == 401


def test_a_csrf_token_holds_for_the_life_of_the_session(tab):
    first = tab.client.cookies[CSRF_COOKIE]
    tab.with_csrf("refresh")

    assert tab.client.cookies[CSRF_COOKIE] == first
    assert tab.log_in().status_code == 200
    assert tab.client.cookies[CSRF_COOKIE] != first


def test_every_step_has_an_audit_entry(alice, connect, uow):
    before = len(list(audit.export(uow)))
    tab = Tab(connect())
    tab.post("link", {"code": make_code(alice)})
    tab.with_csrf("refresh")
    tab.with_csrf("logout")
    entries = list(audit.export(uow))[before:]

    assert [entry["action"] for entry in entries] == ["link.make", "session.open", "session.refresh", "session.close"]
    assert {entry["actor_id"] for entry in entries} == {str(alice.user_id)}
    assert '"by":"link"' in entries[1]["details"]
    assert audit.verify(uow).is_intact


@pytest.mark.parametrize("path", ["link", "login", "refresh", "logout"])
def test_only_json_is_read(tab, path):
    headers = PAGE | {"Content-Type": "text/plain", "X-CSRF-Token": tab.client.cookies[CSRF_COOKIE]}

    assert tab.client.post(f"{WEB}/{path}", content=b"{}", headers=headers).status_code == 415


@pytest.mark.parametrize("path", ["refresh", "logout"])
def test_a_member_that_means_nothing_is_refused(tab, path):
    answer = tab.post(path, {"user": "root"}, **{"X-CSRF-Token": tab.client.cookies[CSRF_COOKIE]})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "user"


@pytest.mark.parametrize("host", ["127.0.0.1:99999", "127.0.0.1", "[::1]", "[::1]:8000", "LOCALHOST:8000"])
def test_a_strange_spelling_of_the_own_address_is_no_server_error(anonymous, host):
    answer = Tab(anonymous).post("refresh", Host=host, Origin=f"http://{host}")

    assert answer.status_code == 401
