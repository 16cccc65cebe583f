"""An application over a real SQLite database, and clients of it: strangers, users, an administrator. No worker runs."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from dishka import Container, Provider, Scope
from fastapi import FastAPI
from tests.support.service import Catalogue, CountingBell

from grid.api.app import create_app
from grid.core.passwords import PasswordHasher
from grid.core.settings import Settings
from grid.database import schema
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.database.users import Role
from grid.services.container import make_container
from grid.services.ports import Doorbell, ImageCatalogue

with warnings.catch_warnings():  # Starlette would rather have a client that is not in the lock
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

ADDRESS = "http://127.0.0.1:8000"
PASSWORD = "correct horse battery staple 9"

ClientFor = Callable[..., TestClient]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A SQLite file with every table, made once and copied for each test."""
    path = tmp_path_factory.mktemp("database") / "grid.db"
    database = create_database(f"sqlite:///{path}")
    schema.metadata.create_all(database.engine)
    database.close()
    return path


@pytest.fixture(scope="session")
def hasher() -> PasswordHasher:
    """Argon2id with the least memory, since many tests log in."""
    return PasswordHasher(memory_kib=8, passes=1)


@pytest.fixture
def settings(tmp_path, empty_database) -> Settings:
    """A data folder of the test's own, and no `.env`."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copy(empty_database, home / "grid.db")
    return Settings(_env_file=None, grid_home=home)


@pytest.fixture
def bell() -> CountingBell:
    """The doorbell of the application."""
    return CountingBell()


@pytest.fixture
def container(settings, bell, hasher) -> Iterator[Container]:
    """Grid's own wiring, but for the doorbell, the images and the price of a password."""
    doubles = Provider(scope=Scope.APP)
    doubles.provide(lambda: bell, provides=Doorbell)
    doubles.provide(lambda: Catalogue(), provides=ImageCatalogue)  # noqa: PLW0108 - a class would be asked what it needs
    doubles.provide(lambda: hasher, provides=PasswordHasher)
    wiring = make_container(settings, doubles)
    yield wiring
    wiring.close()


@pytest.fixture
def uow(container) -> UnitOfWork:
    """The application's database."""
    return container.get(UnitOfWork)


@pytest.fixture
def app(container) -> FastAPI:
    """The application; its lifespan does not run, so there is no maintenance and no lock."""
    return create_app(container=container)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop for all clients: a loop for each request would take most of a test's time."""
    with start_blocking_portal() as opened:
        yield opened


@pytest.fixture
def connect(app, portal) -> Iterator[Callable[[], TestClient]]:
    """Make a client that nobody knows; answers 500 instead of raising, as a server does."""
    with ExitStack() as stack:

        def make() -> TestClient:
            client = TestClient(app, base_url=ADDRESS, raise_server_exceptions=False, follow_redirects=False)
            client.portal = portal
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def add_user(uow, hasher) -> Callable[..., UUID]:
    """Make a user: `add_user("carol", role=Role.ADMINISTRATORISTRATOR)`; all have `PASSWORD`."""

    def add(username: str, role: Role = Role.USER) -> UUID:
        password_hash = hasher.hash(PASSWORD)
        with uow.begin() as tx:
            return tx.users.add(username=username, password_hash=password_hash, role=role, now=tx.now()).id

    return add


@pytest.fixture
def client_for(connect, add_user) -> ClientFor:
    """Log in somebody new through the API: `client_for("alice")`; `client.user_id` is the user's id."""

    def log_in(username: str = "alice", role: Role = Role.USER) -> TestClient:
        client = connect()
        client.user_id = add_user(username, role)
        answer = client.post("/api/v1/auth/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    return log_in


@pytest.fixture
def anonymous(connect) -> TestClient:
    """A stranger."""
    return connect()


@pytest.fixture
def alice(client_for) -> TestClient:
    """A user."""
    return client_for("alice")


@pytest.fixture
def bob(client_for) -> TestClient:
    """Another user."""
    return client_for("bob")


@pytest.fixture
def administrator(client_for) -> TestClient:
    """An administrator."""
    return client_for("root", Role.ADMINISTRATOR)
