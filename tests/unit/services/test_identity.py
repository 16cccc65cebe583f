"""Logging in and staying logged in: rotation, reuse, races, lost answers, idle and absolute ends."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from grid.core.errors import AuthenticationError, TooManyRequestsError
from grid.core.passwords import PasswordHasher
from grid.core.tokens import TokenSigner, digest_refresh_token
from grid.database.base import Base
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.database.users import Role
from grid.services import audit
from grid.services.identity import IdentityService, RefreshSupersededError
from grid.services.sessions import SessionDirectory
from grid.services.throttle import LoginThrottle

PASSWORD = "kelvin-under-the-floorboards"
ADDRESS = "192.0.2.7"


class Hands:
    """A clock whose hands a test turns."""

    def __init__(self):
        self.time = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def __call__(self):
        return self.time

    def pass_by(self, **span):
        self.time += timedelta(**span)


class House:
    """The identity services over one database."""

    def __init__(self, url, hands=None):
        self.database = create_database(url, clock=hands)
        Base.metadata.create_all(self.database.engine)
        self.uow = UnitOfWork(self.database)
        self.hasher = PasswordHasher(memory_kib=64, passes=1)
        self.tokens = TokenSigner((secrets.token_bytes(32),))
        self.sessions = SessionDirectory(self.uow)
        self.throttle = LoginThrottle()
        self.identity = IdentityService(self.uow, self.tokens, self.hasher, self.throttle, self.sessions)
        with self.uow.begin() as tx:
            self.user = tx.users.add(
                username="hilde", password_hash=self.hasher.hash(PASSWORD), role=Role.USER, now=tx.now()
            )

    def log_in(self, password=PASSWORD, username="hilde", address=ADDRESS, **more):
        return self.identity.log_in(username=username, password=password, address=address, **more)

    def principal(self, pair):
        return self.sessions.get(self.tokens.verify(pair.access_token))

    def actions(self):
        return [entry["action"] for entry in audit.export(self.uow)]


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def house(tmp_path, hands):
    made = House(f"sqlite:///{tmp_path / 'grid.db'}", hands)
    yield made
    made.database.close()


@pytest.fixture
def clocked_house(tmp_path):
    """A house on the database's own clock."""
    made = House(f"sqlite:///{tmp_path / 'grid.db'}")
    yield made
    made.database.close()


def test_a_login_opens_a_session_whose_token_names_the_user(house):
    principal = house.principal(house.log_in())

    assert (principal.id, principal.username, principal.role) == (house.user.id, "hilde", Role.USER)


def test_the_case_of_a_user_name_does_not_matter(house):
    assert house.principal(house.log_in(username="HILDE")).id == house.user.id


def test_each_login_is_a_session_of_its_own(house):
    assert house.log_in().session_id != house.log_in().session_id


@pytest.mark.parametrize("cause", ["unknown", "wrong", "disabled", "no text"])
def test_a_refused_login_does_not_say_why(house, cause):
    if cause == "disabled":
        with house.uow.begin() as tx:
            tx.users.set_disabled(house.user.id, tx.now())
    name = "nobody" if cause == "unknown" else "hilde"
    password = {"wrong": "not-the-right-one", "no text": "\ud800"}.get(cause, PASSWORD)

    with pytest.raises(AuthenticationError) as refused:
        house.log_in(password, name)

    assert str(refused.value) == "The user name or the password is not right."
    assert house.actions() == []


def test_every_refused_login_costs_one_hash_of_full_price(house, monkeypatch):
    """Equal work is what makes the times equal; counted rather than timed, since this machine has other guests."""
    costs = []
    verify = Argon2Hasher.verify

    def counted(self, password, stored):
        costs.append(stored.split("$")[3])
        return verify(self, password, stored)

    monkeypatch.setattr(Argon2Hasher, "verify", counted)
    for name, password in (("nobody", PASSWORD), ("hilde", "not-the-right-one"), ("hilde", "\x00")):
        with pytest.raises(AuthenticationError):
            house.log_in(password, name)

    assert costs == ["m=64,t=1,p=1"] * 3


def test_a_login_renews_a_hash_whose_parameters_were_overtaken(house):
    weak = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)).hash(PASSWORD)
    with house.uow.begin() as tx:
        tx.users.set_password_hash(house.user.id, weak)

    house.log_in()

    with house.uow.read() as tx:
        stored = tx.users.find(house.user.id)
    assert stored.password_hash != weak
    assert stored.password_changed_at == house.user.password_changed_at
    assert house.hasher.verify(PASSWORD, stored.password_hash) == (True, None)


def test_a_refresh_rotates_the_token_and_keeps_the_session(house):
    first = house.log_in()
    second = house.identity.refresh(first.refresh_token)
    third = house.identity.refresh(second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert {first.session_id, second.session_id, third.session_id} == {first.session_id}
    assert house.principal(third).session_id == first.session_id


def test_neither_tokens_nor_their_bytes_are_in_the_database(house):
    pair = house.log_in()
    with house.uow.read() as tx:
        rows = tx.connection.exec_driver_sql("SELECT * FROM refresh_tokens").fetchall()

    assert len(rows) == 1
    assert pair.refresh_token.removeprefix("grid_rt_") not in str(rows)
    assert digest_refresh_token(pair.refresh_token) in str(rows)


@pytest.mark.parametrize("used_successor", [True, False])
def test_reuse_after_the_window_ends_the_whole_family_at_once(house, hands, used_successor):
    first = house.log_in()
    latest = house.identity.refresh(first.refresh_token)
    if used_successor:
        latest = house.identity.refresh(latest.refresh_token)
    principal = house.principal(latest)
    hands.pass_by(seconds=5.1)

    with pytest.raises(AuthenticationError):
        house.identity.refresh(first.refresh_token)

    with pytest.raises(AuthenticationError):
        house.identity.refresh(latest.refresh_token)
    with pytest.raises(AuthenticationError):
        house.principal(latest)
    assert house.sessions.find_remembered(house.tokens.verify(latest.access_token)) is None
    assert not house.sessions.is_alive(principal)
    assert house.actions()[-1] == "session.revoke_reused"


def test_reuse_within_the_window_ends_the_family_once_the_successor_was_used(house):
    first = house.log_in()
    second = house.identity.refresh(first.refresh_token)
    third = house.identity.refresh(second.refresh_token)

    with pytest.raises(AuthenticationError):
        house.identity.refresh(first.refresh_token)
    with pytest.raises(AuthenticationError):
        house.identity.refresh(third.refresh_token)


def test_reuse_ends_one_session_and_not_the_others(house, hands):
    stolen, other = house.log_in(), house.log_in()
    house.identity.refresh(stolen.refresh_token)
    hands.pass_by(seconds=6)
    with pytest.raises(AuthenticationError):
        house.identity.refresh(stolen.refresh_token)

    assert house.principal(house.identity.refresh(other.refresh_token)).id == house.user.id


@pytest.mark.parametrize("seconds", [0, 1, 4.9])
def test_a_lost_answer_can_be_asked_for_again_within_five_seconds(house, hands, seconds):
    first = house.log_in()
    house.identity.refresh(first.refresh_token)  # this answer never arrives
    hands.pass_by(seconds=seconds)

    again = house.identity.refresh(first.refresh_token)

    assert house.principal(house.identity.refresh(again.refresh_token)).id == house.user.id


def test_the_successor_that_was_lost_is_void_and_whoever_shows_it_ends_the_family(house):
    first = house.log_in()
    lost = house.identity.refresh(first.refresh_token)
    again = house.identity.refresh(first.refresh_token)

    with pytest.raises(AuthenticationError):
        house.identity.refresh(lost.refresh_token)
    with pytest.raises(AuthenticationError):
        house.identity.refresh(again.refresh_token)


def test_a_second_repeat_is_superseded_and_revokes_nothing(house):
    first = house.log_in()
    house.identity.refresh(first.refresh_token)
    again = house.identity.refresh(first.refresh_token)

    with pytest.raises(RefreshSupersededError):
        house.identity.refresh(first.refresh_token)
    assert house.principal(house.identity.refresh(again.refresh_token)).id == house.user.id


def refresh_together(house, token, how_many):
    """Present one token in many threads at once; return the pairs and the errors."""
    barrier = threading.Barrier(how_many)

    def one(_):
        barrier.wait()
        try:
            return house.identity.refresh(token)
        except (AuthenticationError, RefreshSupersededError) as error:
            return error

    with ThreadPoolExecutor(how_many) as threads:
        answers = list(threads.map(one, range(how_many)))
    return [answer for answer in answers if not isinstance(answer, Exception)], [
        answer for answer in answers if isinstance(answer, Exception)
    ]


@pytest.mark.parametrize("_round", range(3))
def test_of_fifty_refreshes_at_once_exactly_one_succeeds_and_nothing_is_revoked(clocked_house, _round):
    house = clocked_house
    pairs, errors = refresh_together(house, house.log_in().refresh_token, 50)

    assert len(pairs) == 1
    assert {type(error) for error in errors} == {RefreshSupersededError}
    assert house.principal(house.identity.refresh(pairs[0].refresh_token)).id == house.user.id


def test_an_idle_session_ends_after_fourteen_days(house, hands):
    kept, idle = house.log_in(), house.log_in()
    hands.pass_by(days=13)
    kept = house.identity.refresh(kept.refresh_token)
    hands.pass_by(days=1, seconds=1)

    with pytest.raises(AuthenticationError):
        house.identity.refresh(idle.refresh_token)
    assert house.principal(house.identity.refresh(kept.refresh_token)).id == house.user.id


def test_a_busy_session_ends_after_thirty_days(house, hands):
    pair = house.log_in()
    for _ in range(3):
        hands.pass_by(days=9)
        pair = house.identity.refresh(pair.refresh_token)
    hands.pass_by(days=3, seconds=1)

    with pytest.raises(AuthenticationError):
        house.identity.refresh(pair.refresh_token)
    with pytest.raises(AuthenticationError):
        house.principal(pair)


@pytest.mark.parametrize("token", ["", "x", "grid_rt_" + "A" * 43, "eyJhbGciOiJIUzI1NiJ9.e30.x", "grid_rt_" + "é" * 43])
def test_an_unknown_refresh_token_is_refused(house, token):
    with pytest.raises(AuthenticationError):
        house.identity.refresh(token)


def test_an_access_token_cannot_refresh(house):
    with pytest.raises(AuthenticationError):
        house.identity.refresh(house.log_in().access_token)


def test_a_logout_ends_the_session_at_once_and_no_other(house):
    gone, kept = house.log_in(), house.log_in()
    house.identity.log_out(house.principal(gone))

    with pytest.raises(AuthenticationError):
        house.principal(gone)
    assert house.sessions.find_remembered(house.tokens.verify(gone.access_token)) is None
    with pytest.raises(AuthenticationError):
        house.identity.refresh(gone.refresh_token)
    assert house.principal(kept).id == house.user.id


def test_a_disabled_user_can_neither_refresh_nor_call(house):
    pair = house.log_in()
    with house.uow.begin() as tx:
        tx.users.set_disabled(house.user.id, tx.now())

    with pytest.raises(AuthenticationError):
        house.identity.refresh(pair.refresh_token)
    with pytest.raises(AuthenticationError):
        house.principal(pair)


def test_a_token_of_one_user_does_not_open_the_session_of_another(house):
    with house.uow.begin() as tx:
        other = tx.users.add(username="other", password_hash="-", role=Role.USER, now=tx.now())
    pair = house.log_in()
    mixed = house.tokens.issue(user_id=other.id, session_id=pair.session_id)
    house.principal(pair)  # remembered now

    assert house.sessions.find_remembered(house.tokens.verify(mixed.text)) is None
    with pytest.raises(AuthenticationError):
        house.sessions.get(house.tokens.verify(mixed.text))


def test_a_remembered_session_is_looked_up_again_after_five_seconds(house):
    time = [0.0]
    sessions = SessionDirectory(house.uow, monotonic=lambda: time[0])
    claims = house.tokens.verify(house.log_in().access_token)

    assert sessions.find_remembered(claims) is None
    assert sessions.get(claims) == sessions.find_remembered(claims)
    time[0] = 4.9
    assert sessions.find_remembered(claims) is not None
    time[0] = 5.0
    assert sessions.find_remembered(claims) is None


def test_a_lookup_that_a_revocation_overtook_is_not_remembered(house, monkeypatch):
    claims = house.tokens.verify(house.log_in().access_token)
    remember = house.sessions._remember

    def overtaken(principal, endings):
        house.sessions.forget([principal.session_id])  # the session ends between the look and the note
        remember(principal, endings)

    monkeypatch.setattr(house.sessions, "_remember", overtaken)
    house.sessions.get(claims)

    assert house.sessions.find_remembered(claims) is None


def test_eleven_wrong_passwords_for_one_account_are_ten_tried(house, monkeypatch):
    tried = []
    verify = house.hasher.verify
    monkeypatch.setattr(house.hasher, "verify", lambda *args: tried.append(1) or verify(*args))
    refused = [attempt(house, "not-the-right-one", f"198.51.100.{host}") for host in range(15)]

    assert refused == [AuthenticationError] * 10 + [TooManyRequestsError] * 5
    assert len(tried) == 10


def attempt(house, password=PASSWORD, address=ADDRESS, username="hilde", **more):
    """Return the kind of error, or None for a success."""
    try:
        house.log_in(password, username, address, **more)
    except (AuthenticationError, TooManyRequestsError) as error:
        return type(error)
    return None


def test_an_unknown_account_is_throttled_as_a_real_one_is(house):
    assert [attempt(house, username="nobody", address=f"198.51.100.{host}") for host in range(11)][-2:] == [
        AuthenticationError,
        TooManyRequestsError,
    ]


def test_one_address_gets_thirty_guesses_over_all_accounts(house):
    refused = [attempt(house, username=f"user{number}") for number in range(32)]

    assert refused == [AuthenticationError] * 30 + [TooManyRequestsError] * 2
    assert attempt(house, address="198.51.100.1") is None


def test_right_passwords_are_not_counted(house):
    assert [attempt(house) for _ in range(40)] == [None] * 40


def test_the_owner_on_a_known_device_is_not_locked_out(house):
    known = house.log_in()
    for _ in range(40):
        attempt(house, "not-the-right-one")
    assert attempt(house) is TooManyRequestsError

    assert attempt(house, refresh_token=known.refresh_token) is None


def test_a_known_device_has_ten_guesses_too(house):
    known = house.log_in().refresh_token
    refused = [attempt(house, "not-the-right-one", refresh_token=known) for _ in range(12)]

    assert refused == [AuthenticationError] * 10 + [TooManyRequestsError] * 2


@pytest.mark.parametrize("whose", ["another user's", "ended", "made up"])
def test_only_a_living_session_of_the_account_makes_a_device_known(house, whose):
    known = house.log_in()
    if whose == "ended":
        house.identity.log_out(house.principal(known))
    if whose == "another user's":
        with house.uow.begin() as tx:
            tx.users.add(username="other", password_hash=house.user.password_hash, role=Role.USER, now=tx.now())
        known = house.log_in(username="other")
    shown = "grid_rt_" + "A" * 43 if whose == "made up" else known.refresh_token
    for _ in range(10):
        attempt(house, "not-the-right-one")

    assert attempt(house, refresh_token=shown) is TooManyRequestsError


def test_a_password_that_was_changed_during_the_login_opens_nothing(house, monkeypatch):
    verify = house.hasher.verify

    def changed_meanwhile(*args):
        with house.uow.begin() as tx:
            tx.users.set_password_hash(house.user.id, "-", changed_at=tx.now() + timedelta(seconds=1))
        return verify(*args)

    monkeypatch.setattr(house.hasher, "verify", changed_meanwhile)

    with pytest.raises(AuthenticationError):
        house.log_in()


def test_every_change_has_exactly_one_entry_in_the_audit_log(house):
    pair = house.log_in()
    house.identity.refresh(pair.refresh_token)
    attempt(house, "not-the-right-one")
    house.identity.log_out(house.principal(pair))

    assert house.actions() == ["session.open", "session.refresh", "session.close"]
    assert audit.verify(house.uow).is_intact


def test_tokens_do_not_print_themselves(house):
    pair = house.log_in()

    assert pair.refresh_token not in repr(pair)
    assert pair.access_token not in repr(pair)
