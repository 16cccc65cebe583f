"""Users: made, promoted, shut out; whatever takes rights away ends their sessions at once."""

import json
import secrets
import stat
import threading

import pytest

from grid.core.errors import AuthenticationError, FieldError, NotFoundError, TooManyRequestsError
from grid.core.ids import new_id
from grid.core.passwords import PasswordHasher
from grid.core.tokens import TokenSigner
from grid.database.base import Base
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.database.users import Role
from grid.database.windows import Window
from grid.services import audit
from grid.services.identity import IdentityService
from grid.services.sessions import SessionDirectory
from grid.services.throttle import LoginThrottle
from grid.services.users import (
    LastAdministratorError,
    UsernameTakenError,
    UserService,
    ensure_administrator,
    reset_password,
)

PASSWORD = "kelvin-under-the-floorboards"
NEW_PASSWORD = "a boundary layer of marmalade"


class House:
    """The services over one database, with the administrator of the first start."""

    def __init__(self, folder):
        self.home = folder
        self.database = create_database(f"sqlite:///{folder / 'grid.db'}")
        Base.metadata.create_all(self.database.engine)
        self.uow = UnitOfWork(self.database)
        self.hasher = PasswordHasher(memory_kib=64, passes=1)
        self.tokens = TokenSigner((secrets.token_bytes(32),))
        self.sessions, throttle = SessionDirectory(self.uow), LoginThrottle()
        self.identity = IdentityService(self.uow, self.tokens, self.hasher, throttle, self.sessions)
        self.users = UserService(self.uow, self.hasher, throttle, self.sessions)
        assert ensure_administrator(self.uow, self.home, self.hasher)
        with self.uow.read() as tx:
            self.admin = tx.users.find_by_username("admin")

    def add(self, username="hilde", role=Role.USER):
        return self.users.add(actor_id=self.admin.id, username=username, password=PASSWORD, role=role)

    def log_in(self, username="hilde", password=PASSWORD):
        return self.identity.log_in(username=username, password=password, address="192.0.2.1")

    def principal(self, pair):
        return self.sessions.get(self.tokens.verify(pair.access_token))

    def is_dead(self, pair):
        """Whether neither token of the pair is worth anything, and nothing is remembered."""
        if self.sessions.find_remembered(self.tokens.verify(pair.access_token)) is not None:
            return False
        try:
            self.principal(pair)
        except AuthenticationError:
            pass
        else:
            return False
        try:
            self.identity.refresh(pair.refresh_token)
        except AuthenticationError:
            return True
        return False

    def actions(self):
        return [entry["action"] for entry in audit.export(self.uow)]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.database.close()


def test_the_first_start_makes_an_administrator_with_a_random_password(house):
    path = house.home / "secrets" / "admin.json"
    credential = json.loads(path.read_text())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(credential["password"]) >= 32
    assert house.principal(house.log_in(**credential)).is_administrator


def test_a_later_start_leaves_users_and_credential_alone(house):
    path = house.home / "secrets" / "admin.json"
    before = path.read_text()

    assert not ensure_administrator(house.uow, house.home, house.hasher)
    assert path.read_text() == before
    assert house.users.list_users(Window()).count.number == 1


def test_starts_at_the_same_time_make_one_administrator_whose_credential_is_kept(tmp_path):
    database = create_database(f"sqlite:///{tmp_path / 'grid.db'}")
    Base.metadata.create_all(database.engine)
    uow, hasher = UnitOfWork(database), PasswordHasher(memory_kib=64, passes=1)
    barrier, made = threading.Barrier(6), []

    def start():
        barrier.wait()
        made.append(ensure_administrator(uow, tmp_path, hasher))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    credential = json.loads((tmp_path / "secrets" / "admin.json").read_text())
    with uow.read() as tx:
        admin = tx.users.find_by_username("admin")
    database.close()

    assert sorted(made) == [False] * 5 + [True]
    assert hasher.verify(credential["password"], admin.password_hash)[0]


def test_a_new_user_can_log_in(house):
    user = house.add()

    assert house.principal(house.log_in()).id == user.id
    assert house.actions()[:2] == ["user.create_first", "user.create"]


def test_two_users_cannot_have_one_name_in_any_case(house):
    house.add("hilde")
    with pytest.raises(UsernameTakenError):
        house.add("Hilde")

    assert house.actions().count("user.create") == 1


@pytest.mark.parametrize("password", ["short", "passwordpassword", "hilde-hilde-hilde", "x" * 129])
def test_a_user_cannot_be_made_with_a_weak_password(house, password):
    with pytest.raises(FieldError):
        house.users.add(actor_id=house.admin.id, username="hilde", password=password)

    assert house.users.list_users(Window()).count.number == 1


@pytest.mark.parametrize(
    "change", [{"disabled": True}, {"role": Role.ADMINISTRATOR}, {"role": Role.ADMINISTRATOR, "disabled": True}]
)
def test_disabling_or_another_role_ends_every_session_at_once(house, change):
    user = house.add()
    pairs = [house.log_in(), house.log_in()]
    for pair in pairs:
        house.principal(pair)  # remembered now
    house.users.change(actor_id=house.admin.id, user_id=user.id, **change)

    assert all(house.is_dead(pair) for pair in pairs)
    assert house.actions().count("user.change") == 1


def test_sessions_of_other_users_go_on(house):
    user = house.add()
    house.add("other")
    other = house.log_in("other")
    house.users.change(actor_id=house.admin.id, user_id=user.id, disabled=True)

    assert not house.is_dead(other)


def test_a_disabled_user_can_be_let_in_again(house):
    user = house.add()
    house.users.change(actor_id=house.admin.id, user_id=user.id, disabled=True)
    with pytest.raises(AuthenticationError):
        house.log_in()
    house.users.change(actor_id=house.admin.id, user_id=user.id, disabled=False)

    assert house.principal(house.log_in()).id == user.id


def test_a_change_that_changes_nothing_ends_nothing_and_is_not_recorded(house):
    user = house.add()
    pair = house.log_in()
    house.users.change(actor_id=house.admin.id, user_id=user.id, role=Role.USER, disabled=False)

    assert not house.is_dead(pair)
    assert "user.change" not in house.actions()


@pytest.mark.parametrize("change", [{"role": Role.USER}, {"disabled": True}])
def test_the_last_administrator_stays(house, change):
    with pytest.raises(LastAdministratorError):
        house.users.change(actor_id=house.admin.id, user_id=house.admin.id, **change)
    house.add("second", Role.ADMINISTRATOR)

    assert house.users.change(actor_id=house.admin.id, user_id=house.admin.id, **change)


def test_two_administrators_cannot_demote_each_other_at_the_same_time(house):
    second = house.add("second", Role.ADMINISTRATOR)
    barrier, outcomes = threading.Barrier(2), []

    def demote(user_id):
        barrier.wait()
        try:
            house.users.change(actor_id=house.admin.id, user_id=user_id, role=Role.USER)
            outcomes.append("done")
        except LastAdministratorError:
            outcomes.append("refused")

    threads = [threading.Thread(target=demote, args=(user_id,)) for user_id in (house.admin.id, second.id)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["done", "refused"]


def test_an_unknown_user_is_not_found(house):
    with pytest.raises(NotFoundError):
        house.users.change(actor_id=house.admin.id, user_id=new_id(), disabled=True)


def test_a_new_password_ends_every_session_and_opens_new_ones(house):
    house.add()
    here, elsewhere = house.log_in(), house.log_in()
    house.users.change_password(house.principal(here), current=PASSWORD, new=NEW_PASSWORD)

    assert house.is_dead(here)
    assert house.is_dead(elsewhere)
    with pytest.raises(AuthenticationError):
        house.log_in()
    assert house.principal(house.log_in(password=NEW_PASSWORD)).username == "hilde"
    assert house.actions().count("user.change_password") == 1


def test_the_current_password_is_asked_for_ten_times_at_most(house):
    house.add()
    pair = house.log_in()
    principal = house.principal(pair)
    for _ in range(10):
        with pytest.raises(FieldError, match="current_password"):
            house.users.change_password(principal, current="not-the-right-one", new=NEW_PASSWORD)
    with pytest.raises(TooManyRequestsError):
        house.users.change_password(principal, current=PASSWORD, new=NEW_PASSWORD)

    assert not house.is_dead(pair)


def test_a_weak_new_password_changes_nothing(house):
    house.add()
    pair = house.log_in()
    with pytest.raises(FieldError, match="password"):
        house.users.change_password(house.principal(pair), current=PASSWORD, new="passwordpassword")

    assert not house.is_dead(pair)


def test_users_come_in_pages_in_the_order_of_their_making(house):
    for number in range(5):
        house.add(f"user{number}")
    first, second = (house.users.list_users(Window(4, page)).items for page in (1, 2))
    total = house.users.list_users(Window(4)).count.number

    assert total == 6
    assert [user.username for user in first + second] == ["admin", *(f"user{number}" for number in range(5))]


def test_a_record_does_not_print_its_hash(house):
    assert "argon2" not in repr(house.admin)


def test_every_entry_of_these_acts_holds_together(house):
    user = house.add()
    house.users.change(actor_id=house.admin.id, user_id=user.id, disabled=True)

    assert audit.verify(house.uow).is_intact


def test_an_operator_resets_the_password_of_an_administrator_into_the_credential_file(house):
    before = house.log_in(**json.loads((house.home / "secrets" / "admin.json").read_text()))

    assert reset_password(house.uow, house.hasher, home=house.home, username="Admin", new=None)

    path = house.home / "secrets" / "admin.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    house.sessions.forget([house.tokens.verify(before.access_token).session_id])  # a server asks within seconds
    assert house.is_dead(before)
    assert house.principal(house.log_in(**json.loads(path.read_text()))).is_administrator
    assert "user.reset_password" in house.actions()


def test_a_password_that_is_given_is_set_and_the_credential_file_stays(house):
    house.add()
    before = (house.home / "secrets" / "admin.json").read_text()

    assert not reset_password(house.uow, house.hasher, home=house.home, username="hilde", new=NEW_PASSWORD)

    assert house.principal(house.log_in(password=NEW_PASSWORD)).username == "hilde"
    assert (house.home / "secrets" / "admin.json").read_text() == before


@pytest.mark.parametrize(
    ("username", "new", "error"),
    [
        ("nobody", None, NotFoundError),
        ("hilde", None, FieldError),  # a random one would be known to nobody
        ("hilde", "short", FieldError),
        ("hilde", "hilde" * 3, FieldError),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(house, username, new, error):
    house.add()
    before = (house.home / "secrets" / "admin.json").read_text()

    with pytest.raises(error):
        reset_password(house.uow, house.hasher, home=house.home, username=username, new=new)

    assert house.log_in().access_token
    assert (house.home / "secrets" / "admin.json").read_text() == before
    assert "user.reset_password" not in house.actions()
