"""Identity and audit on migrated databases of both kinds, where transactions really meet."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from grid.core.passwords import PasswordHasher
from grid.core.tokens import TokenSigner
from grid.database.sessions import RevokedBecause
from grid.database.users import Role
from grid.services import audit
from grid.services.identity import IdentityService, RefreshSupersededError
from grid.services.sessions import SessionDirectory
from grid.services.throttle import LoginThrottle
from grid.services.users import LastAdministratorError, UserService, ensure_administrator

PASSWORD = "kelvin-under-the-floorboards"
HASHER = PasswordHasher(memory_kib=8, passes=1)
SIGNER = TokenSigner((secrets.token_bytes(32),))


def make_identity(uow):
    """Return the service as one process has it; two of them share nothing but the database."""
    return IdentityService(uow, SIGNER, HASHER, LoginThrottle(), SessionDirectory(uow))


def together(functions):
    """Run functions at the same time and return what they returned or raised."""
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            return error

    with ThreadPoolExecutor(len(functions)) as threads:
        return list(threads.map(run, functions))


@pytest.fixture
def user(uow):
    with uow.begin() as tx:
        return tx.users.add(username="hilde", password_hash=HASHER.hash(PASSWORD), role=Role.USER, now=tx.now())


@pytest.mark.parametrize("processes", [1, 2])
def test_of_fifty_refreshes_at_once_exactly_one_succeeds(uow, user, processes):
    services = [make_identity(uow) for _ in range(processes)]
    pair = services[0].log_in(username="hilde", password=PASSWORD, address="192.0.2.1")
    refreshes = [lambda number=number: services[number % processes].refresh(pair.refresh_token) for number in range(50)]
    answers = together(refreshes)
    won = [answer for answer in answers if not isinstance(answer, Exception)]

    assert len(won) == 1, [type(answer) for answer in answers]
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {RefreshSupersededError}
    assert services[0].refresh(won[0].refresh_token).session_id == pair.session_id


def test_transactions_that_write_the_audit_log_together_make_one_whole_log(uow):
    barrier = threading.Barrier(8)
    with uow.begin() as tx:  # the very first entry makes the heads, and others wait for that once
        audit.record(tx, actor_id=None, action="test.begin", subject="test:0")

    def write(number):
        for step in range(10):
            with uow.begin() as tx:
                audit.record(tx, actor_id=None, action="test.write", subject=f"test:{number}", details={"step": step})
                if step == 0 and uow.database.kind == "postgresql":
                    barrier.wait(20)  # all hold an entry that is not committed: none waits for another

    together([lambda number=number: write(number) for number in range(8)])
    report = audit.verify(uow)

    assert report.is_intact, report.faults
    assert report.entries == 81
    assert len(report.heads) >= (1 if uow.database.kind == "sqlite" else 8)


def test_more_transactions_than_chains_wait_for_one_another_and_none_is_lost(uow):
    def write(number):
        with uow.begin() as tx:
            audit.record(tx, actor_id=None, action="test.write", subject=f"test:{number}")

    answers = together([lambda number=number: write(number) for number in range(24)])

    assert answers == [None] * 24
    assert audit.verify(uow).is_intact
    assert audit.verify(uow).entries == 24


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"]
)
def test_the_migrated_database_refuses_to_change_or_remove_an_entry(uow, statement):
    with uow.begin() as tx:
        audit.record(tx, actor_id=None, action="test.write", subject="test:1")
    with pytest.raises(DBAPIError, match=r"append-only|syntax"), uow.begin() as tx:  # SQLite knows no TRUNCATE
        tx.connection.exec_driver_sql(statement)

    assert audit.verify(uow).is_intact
    assert audit.verify(uow).entries == 1


def test_starts_at_the_same_time_make_one_administrator(uow, tmp_path):
    made = together([lambda: ensure_administrator(uow, tmp_path, HASHER)] * 4)

    assert sorted(made) == [False, False, False, True]


def test_administrators_cannot_demote_each_other_at_the_same_time(uow, tmp_path):
    ensure_administrator(uow, tmp_path, HASHER)
    users = UserService(uow, HASHER, LoginThrottle(), SessionDirectory(uow))
    with uow.begin() as tx:
        first = tx.users.find_by_username("admin")
        second = tx.users.add(username="second", password_hash="-", role=Role.ADMINISTRATOR, now=tx.now())
    answers = together(
        [
            lambda: users.change(actor_id=second.id, user_id=first.id, role=Role.USER),
            lambda: users.change(actor_id=first.id, user_id=second.id, role=Role.USER),
        ]
    )

    assert sum(isinstance(answer, LastAdministratorError) for answer in answers) == 1
    with uow.read() as tx:
        assert tx.users.count_active_administrators() == 1


def test_sessions_that_ended_long_ago_are_forgotten_with_their_tokens(uow, user):
    identity, now = make_identity(uow), datetime.now(UTC)
    kept = identity.log_in(username="hilde", password=PASSWORD, address="192.0.2.1")
    with uow.begin() as tx:
        for age in (1, 40):
            session_id = tx.sessions.add(user_id=user.id, now=now, expires_at=now - timedelta(days=age))
            tx.sessions.add_refresh(f"{age:064d}", session_id=session_id, now=now, expires_at=now)
        revoked = tx.sessions.add(user_id=user.id, now=now, expires_at=now + timedelta(days=1))
        tx.sessions.revoke(revoked, because=RevokedBecause.LOGOUT, now=now - timedelta(days=8))
    with uow.begin() as tx:
        assert tx.sessions.purge(older_than=timedelta(days=7)) == 2

    with uow.read() as tx:
        assert tx.sessions.find(revoked) is None
        assert tx.sessions.find_refresh(f"{40:064d}") is None
        assert tx.sessions.find_refresh(f"{1:064d}") is not None
    assert identity.refresh(kept.refresh_token).session_id == kept.session_id
