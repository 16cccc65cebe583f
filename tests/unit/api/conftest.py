"""An application over a real SQLite database, and clients of it: strangers, users, an administrator. No worker runs."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from dishka import Container, Provider, Scope
from fastapi import FastAPI
from tests.support.service import Catalogue, CountingBell

from grid.api import app as application
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


@pytest.fixture(scope="session", autouse=True)
def routes_of_one_application() -> Iterator[None]:
    """Share the routes of the first application: FastAPI prepares them at a first request, most of a test's time."""
    include_all, routes = application._include_routes, []

    def include_once(app: FastAPI) -> None:
        known = len(app.router.routes)
        if routes:
            app.router.routes.extend(routes)
            app.router._mark_routes_changed()
        else:
            include_all(app)
            routes.extend(app.router.routes[known:])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "_include_routes", include_once)
        yield


@pytest.fixture(scope="session")
def hasher() -> PasswordHasher:
    """Argon2id with the least memory, since many tests log in."""
    return PasswordHasher(memory_kib=8, passes=1)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop for all clients: a loop for each request would take most of a test's time."""
    with start_blocking_portal() as opened:
        yield opened


def make_settings(folder: Path, empty_database: Path) -> Settings:
    """A data folder in `folder`, and no `.env`."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    shutil.copy(empty_database, home / "grid.db")
    return Settings(_env_file=None, grid_home=home)


@contextmanager
def open_container(settings: Settings, bell: CountingBell, hasher: PasswordHasher) -> Iterator[Container]:
    doubles = Provider(scope=Scope.APP)
    doubles.provide(lambda: bell, provides=Doorbell)
    doubles.provide(lambda: Catalogue(), provides=ImageCatalogue)  # noqa: PLW0108 - a class would be asked what it needs
    doubles.provide(lambda: hasher, provides=PasswordHasher)
    wiring = make_container(settings, doubles)
    try:
        yield wiring
    finally:
        wiring.close()


@dataclass
class Clients:
    """Clients of an application."""

    app: FastAPI
    uow: UnitOfWork
    hasher: PasswordHasher
    portal: BlockingPortal
    stack: ExitStack

    def connect(self) -> TestClient:
        """Make a client that nobody knows; answers 500 instead of raising, as a server does."""
        client = TestClient(self.app, base_url=ADDRESS, raise_server_exceptions=False, follow_redirects=False)
        client.portal = self.portal
        self.stack.callback(client.close)
        return client

    def add_user(self, username: str, role: Role = Role.USER) -> UUID:
        password_hash = self.hasher.hash(PASSWORD)
        with self.uow.begin() as tx:
            return tx.users.add(username=username, password_hash=password_hash, role=role, now=tx.now()).id

    def log_in(self, username: str = "alice", role: Role = Role.USER) -> TestClient:
        """Log in somebody new through the API."""
        client = self.connect()
        client.user_id = self.add_user(username, role)
        answer = client.post("/api/v1/auth/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client


@pytest.fixture(scope="session")
def open_clients(empty_database, hasher, portal) -> Callable[[Path], AbstractContextManager[Clients]]:
    """Open an application on a data folder in the folder given, for the tests of a module that change nothing in it."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Clients]:
        settings = make_settings(folder, empty_database)
        with open_container(settings, CountingBell(), hasher) as container, ExitStack() as stack:
            yield Clients(create_app(container=container), container.get(UnitOfWork), hasher, portal, stack)

    return opened


@pytest.fixture
def settings(tmp_path, empty_database) -> Settings:
    """A data folder of the test's own, and no `.env`."""
    return make_settings(tmp_path, empty_database)


@pytest.fixture
def bell() -> CountingBell:
    """The doorbell of the application."""
    return CountingBell()


@pytest.fixture
def container(settings, bell, hasher) -> Iterator[Container]:
    """Grid's own wiring, but for the doorbell, the images and the price of a password."""
    with open_container(settings, bell, hasher) as wiring:
        yield wiring


@pytest.fixture
def uow(container) -> UnitOfWork:
    """The application's database."""
    return container.get(UnitOfWork)


@pytest.fixture
def app(container) -> FastAPI:
    """The application; its lifespan does not run, so there is no maintenance and no lock."""
    return create_app(container=container)


@pytest.fixture
def clients(app, uow, hasher, portal) -> Iterator[Clients]:
    """Makes clients of the application."""
    with ExitStack() as stack:
        yield Clients(app, uow, hasher, portal, stack)


@pytest.fixture
def connect(clients) -> Callable[[], TestClient]:
    """Make a client that nobody knows."""
    return clients.connect


@pytest.fixture
def add_user(clients) -> Callable[..., UUID]:
    """Make a user: `add_user("carol", role=Role.ADMINISTRATOR)`; all have `PASSWORD`."""
    return clients.add_user


@pytest.fixture
def client_for(clients) -> ClientFor:
    """Log in somebody new through the API: `client_for("alice")`; `client.user_id` is the user's id."""
    return clients.log_in


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
