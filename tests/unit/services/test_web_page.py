"""What the web page asks of the database, on SQLite and PostgreSQL: tokens used once, sessions, views, the log."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.ledgers import submit

from grid.core.errors import AuthenticationError, NotFoundError
from grid.core.passwords import PasswordHasher
from grid.core.tokens import TokenSigner, digest_login_code
from grid.database.one_time_tokens import TokenPurpose
from grid.database.sessions import Opening, SessionKind
from grid.database.users import Role
from grid.services import audit, downloads, login_links, saved_views
from grid.services.identity import IdentityService
from grid.services.saved_views import ViewsVersionError
from grid.services.sessions import SessionDirectory
from grid.services.throttle import LoginThrottle

PASSWORD = "kelvin-under-the-floorboards"
HASHER = PasswordHasher(memory_kib=8, passes=1)
BROWSER = Opening(SessionKind.BROWSER, "192.0.2.7", "Firefox")


class Identity:
    """The identity services over a database, with one user who is logged in."""

    def __init__(self, uow):
        self.uow = uow
        self.tokens = TokenSigner((secrets.token_bytes(32),))
        self.sessions = SessionDirectory(uow)
        self.identity = IdentityService(uow, self.tokens, HASHER, LoginThrottle(), self.sessions)
        with uow.begin() as tx:
            self.user = tx.users.add(
                username="hilde", password_hash=HASHER.hash(PASSWORD), role=Role.USER, now=tx.now()
            )
        self.pair = self.identity.log_in(username="hilde", password=PASSWORD, address="192.0.2.1")
        self.principal = self.find(self.pair)

    def find(self, pair):
        return self.sessions.get(self.tokens.verify(pair.access_token))

    def make_code(self):
        return login_links.make_login_link(self.uow, self.principal).path.partition("=")[2]


@pytest.fixture
def known(uow):
    return Identity(uow)


@pytest.fixture
def hands(uow):
    """A clock of the database whose hands the test turns."""

    class Hands:
        now = datetime(2026, 1, 5, 12, tzinfo=UTC)

        def __call__(self):
            return self.now

    uow.database.clock = Hands()
    return uow.database.clock


def test_of_several_that_show_one_code_at_once_one_is_let_in(known):
    code = known.make_code()

    def show(_):
        try:
            return known.find(known.identity.log_in_by_code(code, BROWSER)).id
        except AuthenticationError:
            return None

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(show, range(6)))
    assert (answers.count(known.user.id), answers.count(None)) == (1, 5)


def test_sessions_are_listed_with_what_opened_them_and_when_they_were_refreshed(hands, known):
    hands.now += timedelta(minutes=5)
    pair = known.identity.log_in_by_code(known.make_code(), BROWSER)
    hands.now += timedelta(minutes=5)
    known.identity.refresh(pair.refresh_token)
    browser, program = known.sessions.list_own(known.principal)

    assert (browser.kind, browser.address, browser.agent) == (SessionKind.BROWSER, "192.0.2.7", "Firefox")
    assert (program.kind, program.address, program.agent) == (SessionKind.PROGRAM, "192.0.2.1", None)
    assert browser.refreshed_at - browser.created_at == timedelta(minutes=5)
    assert browser.refreshed_at == hands.now
    known.sessions.end_own(known.principal, browser.id)
    with pytest.raises(NotFoundError):
        known.sessions.end_own(known.principal, browser.id)
    assert [one.id for one in known.sessions.list_own(known.principal)] == [known.principal.session_id]


def test_tokens_that_expired_go_with_the_next_one(uow, hands, known):
    known.make_code()
    hands.now += timedelta(minutes=11)
    code = known.make_code()

    with uow.read() as tx:
        rows = tx.connection.exec_driver_sql("SELECT digest FROM one_time_tokens").scalars().all()
    assert rows == [digest_login_code(code)]


def test_a_token_for_one_purpose_is_unknown_for_another(uow, known):
    digest = digest_login_code(known.make_code())

    with uow.begin() as tx:
        assert tx.one_time_tokens.use(digest, purpose=TokenPurpose.DOWNLOAD) is None
        assert tx.one_time_tokens.use(digest, purpose=TokenPurpose.LOGIN) is not None


def test_of_several_that_follow_one_download_link_at_once_one_gets_the_file(uow, known):
    path = f"/api/v1/jobs/{known.user.id}/result"
    link = downloads.make_download_link(uow, known.principal, path)

    def follow(_):
        try:
            return downloads.use_download_link(uow, link.token)
        except NotFoundError:
            return None

    with ThreadPoolExecutor(6) as pool:
        (found,) = [answer for answer in pool.map(follow, range(6)) if answer is not None]
    assert (found[0].id, found[1]) == (known.user.id, downloads.read_path(path))


def test_of_several_tabs_that_save_views_of_one_version_one_succeeds(uow, known):
    def save(number):
        try:
            return saved_views.put_views(uow, known.user.id, {"tab": number}, version=0).version
        except ViewsVersionError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(save, range(6)))
    assert answers.count(1) == 1
    assert set(answers) == {1, "The saved views are at version 1; read them again."}


def test_the_log_and_the_queues_name_their_users(uow, known):
    submit(uow, known.user.id, 3)
    items, following = audit.list_entries(uow, actor="hilde", action="session", limit=1)
    with uow.read() as tx:
        (queue,) = tx.queues.list_busy(limit=10)

    assert [(one.actor, one.entry.action) for one in items] == [("hilde", "session.open")]
    assert following is None
    assert (queue.username, queue.queued, queue.active, queue.queue_limit) == ("hilde", 3, 0, None)


def test_texts_that_are_secrets_stay_out_of_repr(uow, known):
    link = login_links.make_login_link(uow, known.principal)
    download = downloads.make_download_link(uow, known.principal, "/api/v1/jobs/x/result")

    assert link.path not in repr(link)
    assert download.token not in repr(download)
