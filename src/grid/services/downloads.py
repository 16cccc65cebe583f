"""Downloads by a link that is used once: a browser that follows a link sends no header.

A link is bound to its user, the session that asked for it and the path of one file, which is looked up again when the
link is used: what the user may not see by then is not found.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from grid.core.errors import FieldError, ForbiddenError, NotFoundError
from grid.core.tokens import digest_download_token, make_download_token
from grid.database.one_time_tokens import TokenPurpose
from grid.database.uow import UnitOfWork
from grid.services.one_time import store_token
from grid.services.sessions import Principal

LIFETIME: Final = timedelta(seconds=60)
MOST_UNUSED: Final = 100  # of a user
_UUID: Final = r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_RESULT: Final = re.compile(rf"/api/v1/jobs/{_UUID}/result", re.ASCII)
_ARTIFACT: Final = re.compile(rf"/api/v1/jobs/{_UUID}/artifacts/([^/]+)", re.ASCII)
_SWEEP: Final = re.compile(rf"/api/v1/sweeps/{_UUID}", re.ASCII)
_INCIDENT: Final = re.compile(rf"/api/v1/incidents/{_UUID}/export", re.ASCII)
_WHAT: Final = (
    "must be /api/v1/jobs/{id}/result, /api/v1/jobs/{id}/artifacts/{name}, /api/v1/sweeps/{id}?format=csv or "
    "/api/v1/incidents/{id}/export?format=md|json, with all=true for everybody's (administrator)"
)
LONGEST_NAME: Final = 255  # characters of a file's name


@dataclass(frozen=True)
class JobResult:
    """The zip of a job."""

    job_id: UUID


@dataclass(frozen=True)
class JobFile:
    """One file of a job."""

    job_id: UUID
    name: str


@dataclass(frozen=True)
class SweepCsv:
    """The table of a sweep."""

    sweep_id: UUID


@dataclass(frozen=True)
class IncidentExport:
    """An incident, for people or with all its hashes."""

    incident_id: UUID
    format: Literal["md", "json"]


File = JobResult | JobFile | SweepCsv | IncidentExport


@dataclass(frozen=True)
class Target:
    """A file as a path names it, and whose things it is looked up in."""

    file: File
    is_of_everybody: bool = False

    def find_owner(self, principal: Principal) -> UUID | None:
        """Return the user in whose things the file is; None for everybody's.

        Raises:
            ForbiddenError: Everybody's things are for administrators.
        """
        if not self.is_of_everybody:
            return principal.id
        if not principal.is_administrator:
            raise ForbiddenError("all=true is for administrators.")
        return None


@dataclass(frozen=True)
class DownloadLink:
    """A token that was made; it stays out of `repr`."""

    token: str
    expires_in: int  # [s]

    def __repr__(self) -> str:
        return f"DownloadLink(expires_in={self.expires_in})"


def read_path(path: str) -> Target:
    """Return the file that a path of this server's own answers names.

    Raises:
        FieldError: It names none.
    """
    try:
        parts = urlsplit(path)
    except ValueError as error:  # brackets of an IPv6 address that are none
        raise FieldError("path", _WHAT) from error
    query = parse_qs(parts.query, keep_blank_values=True)
    is_of_everybody = query.pop("all", ["false"]) == ["true"]
    file = _read_file(parts.path, query.pop("format", None))
    if file is None or query or parts.scheme or parts.netloc or parts.fragment:
        raise FieldError("path", _WHAT)
    return Target(file, is_of_everybody)


def _read_file(path: str, format_: list[str] | None) -> File | None:
    """Return the file of a path in a format; None where there is none in it."""
    if (match := _RESULT.fullmatch(path)) and format_ is None:
        return JobResult(UUID(match[1]))
    if (match := _ARTIFACT.fullmatch(path)) and format_ is None:
        name = unquote(match[2])
        return JobFile(UUID(match[1]), name) if len(name) <= LONGEST_NAME else None
    if (match := _SWEEP.fullmatch(path)) and format_ == ["csv"]:
        return SweepCsv(UUID(match[1]))
    if match := _INCIDENT.fullmatch(path):
        match format_:
            case ["md"] | ["json"]:
                return IncidentExport(UUID(match[1]), "md" if format_ == ["md"] else "json")
    return None


def make_download_link(uow: UnitOfWork, principal: Principal, path: str) -> DownloadLink:
    """Store a token for a path that the caller has shown to be the user's.

    Raises:
        TooManyRequestsError: The user has many links that nobody has used.
    """
    token = make_download_token()
    with uow.begin() as tx:
        store_token(
            tx, principal, digest_download_token(token),
            purpose=TokenPurpose.DOWNLOAD, lifetime=LIFETIME, most=MOST_UNUSED, name="download links", subject=path,
        )  # fmt: skip
    return DownloadLink(token, int(LIFETIME.total_seconds()))


def use_download_link(uow: UnitOfWork, token: str) -> tuple[Principal, Target]:
    """Use a token up and return its user and the file that it names; one that nobody made opens no transaction.

    Raises:
        NotFoundError: It is unknown, expired or used already, or its session has ended.
    """
    digest = digest_download_token(token)
    if digest is None:
        raise NotFoundError("download")
    with uow.read() as tx:
        if not tx.one_time_tokens.is_usable(digest, purpose=TokenPurpose.DOWNLOAD):
            raise NotFoundError("download")
    with uow.begin() as tx:
        used = tx.one_time_tokens.use(digest, purpose=TokenPurpose.DOWNLOAD)
        session = tx.sessions.find(used.session_id) if used else None
        is_alive = session is not None and session.is_alive(tx.now())
    if used is None or session is None or not is_alive:
        raise NotFoundError("download")
    principal = Principal(session.user_id, session.username, session.role, session.id, session.expires_at)
    return principal, read_path(used.subject)
