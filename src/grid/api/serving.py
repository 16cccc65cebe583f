"""Run the server: uvicorn, one process, on loopback unless the operator says otherwise."""

import resource
import signal
import socket
import sys
from contextlib import ExitStack
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from grid.api.app import create_app
from grid.api.connections import CONNECTIONS, Connection
from grid.api.lifespan import start
from grid.api.live.hub import LiveHub
from grid.api.streams import JobStreams
from grid.api.upgraded import MESSAGE_BYTES, PING_S, UpgradedConnection
from grid.core.errors import ConfigurationError, GridError
from grid.core.logging import configure, get_logger
from grid.core.settings import Settings
from grid.runtime.environment import share_calibration

log = get_logger(__name__)

SPARE_FILES = 256  # of the process itself: database, logs, sockets
BACKLOG = 512  # connections that the system holds until the server takes them
KEEP_ALIVE_S = 20  # [s] a connection without a request stays open
DRAIN_S = 10  # for answers in progress
HEADER_BYTES = 64 * 1024  # of uvicorn's parser; the front door refuses half of that with a problem
FAILED = 1  # exit status of a server that did not start

_REASONS = {
    EADDRINUSE: "is taken; stop the program that listens there, or set GRID_PORT to another port",
    EACCES: "needs more rights; set GRID_PORT to one above 1023",
    EADDRNOTAVAIL: "is not an address of this machine; set GRID_HOST to one that is",
}


def serve(settings: Settings | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code of the process.

    What keeps the server from starting is one sentence on standard error.
    """
    with ExitStack() as stack:
        try:
            settings = settings or Settings()
            share_calibration(settings.grid_calibration)
            configure(level_of(settings), behind=settings.grid_home / "logs" / "server.log")
            require_meant(settings)
            allow_connections()
            listener = stack.enter_context(bind(settings))
            app = create_app(settings)
            start(app, stack)
        except (GridError, ValidationError) as error:
            print(f"grid: {_sentence(error)}", file=sys.stderr)  # noqa: T201 - for whoever started the server
            return FAILED
        announce(settings, listener)
        _run(app, listener)
    return 0


def level_of(settings: Settings) -> str:
    """Return the log level: `DEBUG=true` outranks `LOG_LEVEL`."""
    return "DEBUG" if settings.debug else settings.log_level


def require_meant(settings: Settings) -> None:
    """Refuse to listen to other machines unless the operator has said so.

    Raises:
        ConfigurationError: The address is not loopback, and GRID_EXPOSE is not set.
    """
    if not (settings.is_loopback or settings.grid_expose):
        raise ConfigurationError(
            f"GRID_HOST={settings.grid_host} would let other machines reach Grid. Set GRID_EXPOSE=true if that is "
            "meant, and put a proxy with TLS in front; else leave GRID_HOST at 127.0.0.1."
        )


def allow_connections() -> None:
    """Raise the limit of open files, commonly 1,024, to what the connections and their files need, where we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def bind(settings: Settings) -> socket.socket:
    """Take the address, before anything else is touched.

    Raises:
        ConfigurationError: It is taken, or cannot be used; the sentence says what to do.
    """
    family = socket.AF_INET6 if ":" in settings.grid_host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; on, each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.grid_host, settings.grid_port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = _REASONS.get(error.errno or 0, f"cannot be used ({error.strerror})")
        raise ConfigurationError(f"{settings.grid_host}:{settings.grid_port} {reason}.") from error
    return listener


def announce(settings: Settings, listener: socket.socket) -> None:
    """Log where the server listens, and what that lets in."""
    host, port = listener.getsockname()[:2]
    log.info("listening", address=host, port=port, home=str(settings.grid_home))
    if not settings.is_loopback:
        log.warning(
            "exposed",
            address=host,
            port=port,
            reach="every machine that can route to this address may try to log in; traffic is not encrypted",
            answers_to=sorted(settings.grid_allowed_hosts),
            hint="GRID_ALLOWED_HOSTS names the hosts to answer to; /docs, /openapi.json and /metrics need a login",
        )


def _run(app: FastAPI, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # grid.api.middleware writes a better one
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        http=Connection,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=HEADER_BYTES,
        ws=UpgradedConnection,
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=2 * PING_S,
        ws_per_message_deflate=False,  # frames are compressed; it would hold 316 KiB for each connection
    )
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again at its end; ours is to clean up
        signal.signal(number, lambda *_: None)
    Server(config, app).run(sockets=[listener])


class Server(uvicorn.Server):
    """Ends open streams first, so that stopping waits for answers in progress and for nothing else."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self.app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        streams: JobStreams | None = getattr(self.app.state, "job_streams", None)
        if streams is not None:
            await streams.close()
        hub: LiveHub | None = getattr(self.app.state, "live_hub", None)
        if hub is not None:
            await hub.close()
        await super().shutdown(sockets)


def _sentence(error: Exception) -> str:
    """Say what is wrong without repeating a value that may be a secret."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(str(part).upper() for part in one['loc'])}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        )
    return str(error)
