"""The one container: it wires API, worker, CLI and tests, and gives out singletons that threads may share.

It provides factories, never an open session: a transaction begins and ends inside a service. Modules are imported when
their object is first asked for, so that a command pays only for what it uses.
"""

from collections.abc import Iterator
from functools import partial
from typing import NewType

from dishka import Container, Provider, Scope, from_context, provide
from dishka import make_container as make_dishka_container

from grid.core.passwords import PasswordHasher
from grid.core.settings import Settings
from grid.core.tokens import TokenSigner
from grid.database.engine import Database, create_database
from grid.database.uow import UnitOfWork
from grid.plugins.registry import Registry, load_registry
from grid.runtime.home import Home, open_home
from grid.runtime.spool import Spool
from grid.services import adapters
from grid.services.alerts.rules import RuleService
from grid.services.identity import IdentityService
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.incidents.working import IncidentService
from grid.services.live import LiveBranchService, LiveCommandService, LiveLimits, LiveSubmissionService
from grid.services.live.replays import LiveReplayService
from grid.services.mode_board import ModeBoard
from grid.services.ports import (
    ArtifactStore,
    BellListenerFactory,
    Doorbell,
    FrameBus,
    ImageCatalogue,
    PastComputer,
    RunPlanner,
)
from grid.services.sessions import SessionDirectory
from grid.services.store_watch import StoreWatch
from grid.services.submissions import SubmissionService
from grid.services.throttle import LoginThrottle
from grid.services.users import UserService
from grid.services.web_sessions import WebSessionService


class Foundation(Provider):
    """The data folder, the database and the plugins."""

    scope = Scope.APP
    settings = from_context(Settings, scope=Scope.APP)

    @provide
    def home(self, settings: Settings) -> Home:
        """The data folder, checked and private."""
        return open_home(settings.grid_home)

    @provide
    def database(self, settings: Settings, home: Home) -> Iterator[Database]:
        """One engine for the process; its connections are closed at the end."""
        del home  # SQLite's file lies in it
        database = create_database(settings.resolved_database_url)
        yield database
        database.close()

    @provide
    def unit_of_work(self, database: Database) -> UnitOfWork:
        """Opens transactions."""
        return UnitOfWork(database)

    @provide
    def registry(self) -> Registry:
        """The installed simulations and scenarios."""
        return load_registry()


ServerKey = NewType("ServerKey", bytes)


class Identity(Provider):
    """Passwords, tokens, sessions and users."""

    scope = Scope.APP

    @provide
    def signer(self, settings: Settings, home: Home) -> TokenSigner:
        """Signs with the key that is set, else with the one in the data folder."""
        from grid.core.secrets import load_signing_keys

        return TokenSigner(load_signing_keys(home.root, settings.grid_secret_key))

    @provide
    def server_key(self, home: Home) -> ServerKey:
        """The key with which this server proves who it is."""
        from grid.core.secrets import load_server_key

        return ServerKey(load_server_key(home.root))

    @provide
    def hasher(self) -> PasswordHasher:
        """Argon2id, two at once at most."""
        return PasswordHasher()

    @provide
    def throttle(self) -> LoginThrottle:
        """Counts wrong passwords, in this process."""
        return LoginThrottle()

    @provide
    def sessions(self, uow: UnitOfWork) -> SessionDirectory:
        """Remembers for seconds which sessions are alive."""
        return SessionDirectory(uow)

    identity = provide(IdentityService, scope=Scope.APP)
    web_sessions = provide(WebSessionService, scope=Scope.APP)
    users = provide(UserService, scope=Scope.APP)


class Jobs(Provider):
    """Submission of jobs."""

    scope = Scope.APP

    @provide
    def submissions(
        self, uow: UnitOfWork, registry: Registry, images: ImageCatalogue, settings: Settings, doorbell: Doorbell
    ) -> SubmissionService:
        """Checks, prices and stores submissions."""
        return SubmissionService(uow, registry, images, settings, doorbell)


class LiveRuns(Provider):
    """Submission of live runs, and commands to them."""

    scope = Scope.APP

    @provide
    def planner(self, registry: Registry) -> RunPlanner:
        """Reads scenes and prices ticks; the engine is loaded with the first run."""
        from grid.runtime.live.planning import LivePlanner

        return LivePlanner(registry)

    @provide
    def past(self, settings: Settings, store: ArtifactStore, spool: Spool) -> Iterator[PastComputer]:
        """Computes the past of runs in a child, which is started when somebody asks."""
        from grid.runtime.past_process import PastProcess
        from grid.runtime.past_states import PastStates
        from grid.runtime.slots import SlotFactory

        states = PastStates(store, spool)
        process = PastProcess(lambda: SlotFactory.from_settings(settings, spool), fetch=states.fetch)
        yield process
        process.close()

    @provide
    def live_limits(self, settings: Settings) -> LiveLimits:
        """Largest numbers, of which an operator sets some."""
        return LiveLimits(runs_of_owner=settings.grid_live_runs_of_user)

    @provide
    def live_submissions(
        self, uow: UnitOfWork, planner: RunPlanner, doorbell: Doorbell, limits: LiveLimits
    ) -> LiveSubmissionService:
        """Checks, prices and stores live runs."""
        return LiveSubmissionService(uow, planner, doorbell, limits)

    @provide
    def live_commands(self, uow: UnitOfWork, planner: RunPlanner, doorbell: Doorbell) -> LiveCommandService:
        """Checks, numbers and stores commands."""
        return LiveCommandService(uow, planner, doorbell)


class Alerts(Provider):
    """Alert rules, incidents and modes."""

    scope = Scope.APP
    rules = provide(RuleService, scope=Scope.APP)

    @provide
    def modes(self, uow: UnitOfWork) -> ModeBoard:
        """Shows the modes of all parts."""
        return ModeBoard(uow)

    @provide
    def runbooks(self, home: Home) -> RunbookFolder:
        """Runbooks of the administrator, in the data folder."""
        return RunbookFolder(home.root / "runbooks")

    @provide
    def incidents(self, uow: UnitOfWork, commands: LiveCommandService, runbooks: RunbookFolder) -> IncidentService:
        """Works on incidents."""
        return IncidentService(uow, commands, runbooks)


class LiveReplays(Provider):
    """Branches of live runs, and replays of them as jobs."""

    scope = Scope.APP

    @provide
    def live_branches(
        self, uow: UnitOfWork, store: ArtifactStore, doorbell: Doorbell, limits: LiveLimits
    ) -> LiveBranchService:
        """Stores branches with all that they take over."""
        return LiveBranchService(uow, store, doorbell, limits)

    @provide
    def live_replays(self, uow: UnitOfWork, submissions: SubmissionService) -> LiveReplayService:
        """Submits logs as jobs."""
        return LiveReplayService(uow, submissions)


class Machine(Provider):
    """The adapters of the ports, by the settings."""

    scope = Scope.APP

    @provide
    def store(self, settings: Settings, home: Home, spool: Spool) -> ArtifactStore:
        """Where results are."""
        del home  # the folder of results lies in it by default, and must be private first
        return adapters.make_store(settings, spool)

    watch = provide(StoreWatch, scope=Scope.APP)

    @provide
    def spool(self, settings: Settings, home: Home) -> Iterator[Spool]:
        """Files on their way between children and the store, of this process; removed at the end."""
        del home  # by default the folder lies in it
        spool = adapters.open_spool(settings)
        yield spool
        spool.close()

    @provide
    def doorbell(self, settings: Settings, home: Home, uow: UnitOfWork) -> Iterator[Doorbell]:
        """Rings workers and servers; the connection to others, where there is one, is closed at the end."""
        doorbell = adapters.make_doorbell(settings, home, uow)
        yield doorbell
        if (broker := adapters.find_broker(doorbell)) is not None:
            broker.close()

    @provide
    def listen(self, settings: Settings, home: Home, uow: UnitOfWork) -> BellListenerFactory:
        """Listens to the doorbell."""
        return partial(adapters.make_listener, settings, home, uow)

    @provide
    def frames(self, settings: Settings, home: Home, uow: UnitOfWork) -> FrameBus:
        """Finds live runs."""
        return adapters.make_frame_bus(settings, home, uow)

    @provide
    def images(self, settings: Settings, uow: UnitOfWork) -> ImageCatalogue:
        """The administrator's list."""
        return adapters.make_catalogue(settings, uow)


def make_container(settings: Settings, *overrides: Provider) -> Container:
    """Wire everything for these settings; `close()` closes what was opened.

    Args:
        settings: What the operator set.
        overrides: Providers that win over Grid's own, as tests use them.
    """
    return make_dishka_container(
        Foundation(),
        Identity(),
        Jobs(),
        LiveRuns(),
        LiveReplays(),
        Alerts(),
        Machine(),
        *overrides,
        context={Settings: settings},
    )
