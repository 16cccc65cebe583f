"""Tickets of streams: each is used once, in time, by the session that it was issued to."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from grid.core.errors import AuthenticationError, TooManyRequestsError
from grid.core.tokens import digest_refresh_token, digest_stream_ticket, make_refresh_token
from grid.database.sessions import RevokedBecause
from grid.database.users import Role
from grid.services import tickets
from grid.services.sessions import Principal


@pytest.fixture
def hands(uow):
    """A clock of the database whose hands the test turns."""

    class Hands:
        now = datetime(2026, 1, 5, 12, tzinfo=UTC)

        def __call__(self):
            return self.now

    uow.database.clock = Hands()
    return uow.database.clock


@pytest.fixture
def principal(uow, hands):
    with uow.begin() as tx:
        user = tx.users.add(username="hilde", password_hash="x", role=Role.USER, now=tx.now())
        end = tx.now() + timedelta(days=30)
        session_id = tx.sessions.add(user_id=user.id, now=tx.now(), expires_at=end)
    return Principal(user.id, "hilde", Role.USER, session_id, tx.now() + timedelta(minutes=15))


def test_a_ticket_names_its_user_and_session_once(uow, principal):
    ticket = tickets.issue_ticket(uow, principal)
    found = tickets.use_ticket(uow, ticket.text)

    assert (found.id, found.session_id, found.role) == (principal.id, principal.session_id, Role.USER)
    assert found.expires_at == datetime(2026, 2, 4, 12, tzinfo=UTC)  # the session's end, not that of an access token
    with pytest.raises(AuthenticationError):
        tickets.use_ticket(uow, ticket.text)


def test_a_ticket_has_256_bits_and_only_its_hash_is_stored(uow, principal):
    ticket = tickets.issue_ticket(uow, principal)

    assert len(ticket.text.removeprefix("grid_st_")) == 43
    assert ticket.text not in repr(ticket)
    with uow.read() as tx:
        stored = tx.connection.exec_driver_sql("SELECT digest FROM stream_tickets").scalars().all()
    assert stored == [digest_stream_ticket(ticket.text)]
    assert digest_refresh_token(ticket.text) is None
    assert digest_stream_ticket(make_refresh_token()) is None


@pytest.mark.parametrize("text", ["", "grid_st_", "grid_st_" + "A" * 43, "grid_st_" + "A" * 5000, "\u0663" * 51])
def test_what_is_no_ticket_of_ours_is_refused(uow, principal, text):
    with pytest.raises(AuthenticationError) as refusal:
        tickets.use_ticket(uow, text)

    assert str(refusal.value) == tickets.REFUSED


def test_a_ticket_expires_after_thirty_seconds_and_goes(uow, hands, principal):
    late, soon = tickets.issue_ticket(uow, principal), tickets.issue_ticket(uow, principal)
    hands.now += timedelta(seconds=29)
    tickets.use_ticket(uow, soon.text)
    hands.now += timedelta(seconds=1)
    with pytest.raises(AuthenticationError):
        tickets.use_ticket(uow, late.text)

    tickets.issue_ticket(uow, principal)
    with uow.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT count(*) FROM stream_tickets").scalar_one() == 1


def test_a_ticket_is_worth_nothing_once_its_session_has_ended(uow, principal):
    ticket = tickets.issue_ticket(uow, principal)
    with uow.begin() as tx:
        tx.sessions.revoke(principal.session_id, because=RevokedBecause.LOGOUT, now=tx.now())

    with pytest.raises(AuthenticationError):
        tickets.use_ticket(uow, ticket.text)


def test_of_several_that_show_one_ticket_at_once_one_is_let_in(uow, principal):
    ticket = tickets.issue_ticket(uow, principal)

    def show(_):
        try:
            return tickets.use_ticket(uow, ticket.text).id
        except AuthenticationError:
            return None

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(show, range(8)))
    assert (answers.count(principal.id), answers.count(None)) == (1, 7)


def test_unused_tickets_of_a_user_are_limited(uow, hands, principal):
    first = tickets.issue_ticket(uow, principal)
    for _ in range(tickets.MOST_UNUSED - 1):
        tickets.issue_ticket(uow, principal)
    with pytest.raises(TooManyRequestsError):
        tickets.issue_ticket(uow, principal)

    tickets.use_ticket(uow, first.text)
    tickets.issue_ticket(uow, principal)
