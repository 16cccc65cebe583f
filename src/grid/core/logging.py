"""Structured logs: one JSON object a line in files, readable lines for a person at a terminal.

Grid's own events and the standard library's records (uvicorn, SQLAlchemy, plugins) leave through one handler and one
chain of processors, so that redaction and escaping hold for both. Values bound with `bound(...)` (a request id, a job
id) are on every line written inside the block, in that thread or task.
"""

import fcntl
import logging
import logging.handlers
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

FILE_BYTES, FILE_COUNT = 32 << 20, 5  # [B] of a log file before it is turned over, and such files in all
STREAM_BYTES, STREAM_COUNT = 16 << 20, 4  # of the file that a background process writes its standard error to
LOOK_S = 1.0  # [s] between looks at how long the file of standard error is
HIDDEN = "[redacted]"
MAX_DEPTH = 6  # levels of a logged value that are looked through for secrets

# A second net under the typed secrets: names of values that never belong in a log, and the shapes of tokens.
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_|-)(?:password|passwd|secret|token|authorization|cookie|credential|api_?key|signing_?key|private_?key)s?$"
)
_SECRET_SHAPE = re.compile(
    r"(?i)\bbearer\s+\S+"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # a JSON web token
    r"|\bgrid_(?:rt|st|lc|dl)_[A-Za-z0-9_-]+"  # a refresh token, a ticket, a login code, a download
    r"|\$argon2[a-z]*\$\S+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password in a URL
)
_SECRET_HINT = re.compile(
    r"(?i)bearer|eyJ|grid_[a-z]{2}_|argon2|://"
)  # one of these is in every shape; a cheap first look
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def configure(
    level: str = "INFO",
    *,
    json: bool | None = None,
    stream: TextIO | None = None,
    file: Path | None = None,
    behind: Path | None = None,
) -> None:
    """Route every log of this process to one place; calling it again replaces the place.

    Args:
        level: The least severe level that is written.
        json: JSON lines or lines for people; left out: people where `stream` is a terminal.
        stream: Where lines go; default: standard error.
        behind: Where the stream leads if the process runs in the background; kept below 16 MiB while it is that file.
        file: A file instead of a stream, kept below 32 MiB with four older ones beside it, readable by its owner alone.
    """
    handler = _file_handler(file) if file else _BoundedStreamHandler(stream or sys.stderr, behind)
    as_json = json if json is not None else file is not None or not _is_terminal(stream or sys.stderr)
    handler.setFormatter(_formatter(as_json))
    root = logging.getLogger()
    for old in root.handlers[:]:
        if getattr(old, "is_grids", False):
            root.removeHandler(old)
            old.close()
    handler.is_grids = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level)
    _route_libraries(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: `log.info("job_claimed", job_id=job.id)`; events are keys, not prose."""
    return structlog.stdlib.get_logger(name)


def bound(**values: object) -> AbstractContextManager[object]:
    """Put `values` on every line that is written inside the block."""
    return structlog.contextvars.bound_contextvars(**values)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what is named or shaped like a secret, and escape control characters, at any depth."""
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own entries
            event[key] = HIDDEN if _is_secret(key) else _clean(value, MAX_DEPTH)
    return event


def _clean(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _clean_text(value)
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {
            _clean_text(str(key)): HIDDEN if _is_secret(str(key)) else _clean(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, depth - 1) for item in value]
    return _clean_text(str(value))


def _clean_text(text: str) -> str:
    if _SECRET_HINT.search(text):
        text = _SECRET_SHAPE.sub(HIDDEN, text)
    return text if text.isascii() and text.isprintable() else _CONTROL.sub(_escape, text)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _keep_traceback_readable(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Split a traceback into lines, so that escaping its line ends does not make one long word of it."""
    if isinstance(event.get("exception"), str):
        event["exception"] = event["exception"].splitlines()
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        _keep_traceback_readable,
        redact,
    ]


def _formatter(as_json: bool) -> logging.Formatter:
    renderer: list[Processor] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
        if as_json
        else [_join_traceback, structlog.dev.ConsoleRenderer(colors=True, pad_event_to=30)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )


def _join_traceback(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if isinstance(event.get("exception"), list):
        event["exception"] = "\n".join(event["exception"])
    return event


def _file_handler(file: Path) -> logging.Handler:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _PrivateFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILE_COUNT - 1, encoding="utf-8")


class _PrivateFileHandler(logging.handlers.RotatingFileHandler):
    """Files that their owner alone may read, from the first byte on."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).touch(mode=0o600)
        return super()._open()


class _BoundedStreamHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream; where that is a known file, the file is turned over while others go on writing to it.

    It is copied and emptied, not renamed: child processes and the interpreter itself hold the same open file, and what
    they say has to end up in it as well.
    """

    def __init__(self, stream: TextIO, behind: Path | None) -> None:
        super().__init__(stream)
        self._behind, self._looked_at = behind, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and look at the file from time to time."""
        super().emit(record)
        now = time.monotonic()
        if self._behind is not None and now - self._looked_at >= LOOK_S:
            self._looked_at = now
            with suppress(OSError, ValueError):
                turn_over(self._behind, self.stream.fileno())


def turn_over(path: Path, descriptor: int | None = None, *, most_bytes: int | None = None) -> bool:
    """Empty a log that has grown beyond its limit, keeping what it held beside it; tell whether it was done.

    Args:
        path: The log; older ones are `path.1` (the newest) to `path.4`.
        descriptor: Where given, only if this is the same file, opened to append.
        most_bytes: The limit; default: `STREAM_BYTES`.
    """
    status = path.stat()
    if status.st_size <= (STREAM_BYTES if most_bytes is None else most_bytes):
        return False
    if descriptor is not None:
        appends = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
        if not (appends and os.path.samestat(status, os.fstat(descriptor))):
            return False
    older = [path.with_name(f"{path.name}.{number}") for number in range(1, STREAM_COUNT + 1)]
    for target, source in reversed(list(zip(older[1:], older, strict=False))):
        if os.path.lexists(source):  # a link is moved, not followed
            source.replace(target)
    with path.open("rb") as log, open(older[0], "xb", opener=_open_private) as copy:
        shutil.copyfileobj(log, copy, 1 << 20)
        os.truncate(path, 0)
    return True


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def _is_no_warning(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn warns of: lines that are not HTTP, which anybody may send; Grid logs them and counts."""
    return record.levelno != logging.WARNING


def _route_libraries(level: str) -> None:
    """Send the libraries' records to the root handler alone; keep the talkative ones at warnings."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.getLogger("uvicorn.error").addFilter(_is_no_warning)
    for name in ("uvicorn.access", "sqlalchemy", "alembic", "httpx", "httpcore", "asyncio", "matplotlib", "numba"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.captureWarnings(capture=True)


# From the import on, so that a process that configures nothing (a notebook, a test) prints no debug lines, and never
# the local variables that structlog's own default shows beside a traceback.
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
