"""Settings, by environment variable or `.env`; `.env.example` shows every one of them with its default."""

import re
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from grid.core.home import find_home

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Bell = Literal["auto", "unix", "redis", "celery"]
Runner = Literal["auto", "local", "docker"]

MOST_UIDS = 65_536  # a container needs one user id; more are a mistake
# Names of buckets as every S3-compatible server takes them, then parts of keys as `grid.runtime.store` has them.
_BUCKET = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[A-Za-z0-9][A-Za-z0-9._+=@-]{0,63}){0,4})/?"
)
_UNSET_WHERE_EMPTY = (
    "redis_url", "grid_db_pool", "grid_artifacts_url", "grid_s3_endpoint", "grid_spool", "docker_host",
)  # fmt: skip
_UIDS = re.compile(r"(\d{1,10})-(\d{1,10})")


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode]


def _refusal(message: str) -> PydanticCustomError:
    """Return the error of a setting; its text never holds the value, which may be a secret."""
    return PydanticCustomError("setting", message)


class Settings(BaseSettings):
    """Everything an operator can set. Promised names have no prefix; Grid's own begin with `GRID_`."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str | None = Field(None, description="SQLAlchemy URL; unset: SQLite in $GRID_HOME/grid.db")
    redis_url: str | None = Field(None, description="Redis for the doorbell of scaled-out workers; used only when set")
    grid_bell: Bell = Field("auto", description="Doorbell; auto: Redis too where REDIS_URL is set, else local sockets")
    grid_db_pool: int | None = Field(
        None, ge=1, le=200, description="Connections kept to the database; unset: 10 in a server, 2 in a worker"
    )
    grid_db_pooler: Literal["none", "transaction"] = Field(
        "none", description="Pooler between Grid and PostgreSQL that gives out a connection for a transaction"
    )
    default_container_image: str = Field(
        "sim:local", max_length=255, description="Image of a job that names neither an image nor a simulation"
    )
    artifacts_path: Path | None = Field(None, description="Folder of results; unset: $GRID_HOME/artifacts")
    grid_artifacts_url: str | None = Field(None, description="s3://bucket/prefix of results; unset: ARTIFACTS_PATH")
    grid_s3_endpoint: str | None = Field(None, description="Address of an S3-compatible server; unset: Amazon's")
    grid_s3_checksums: Literal["when_supported", "when_required"] = Field(
        "when_supported", description="Whether checksums are sent that the S3 server may not know"
    )
    grid_s3_strict: bool = Field(False, description="Refuse an S3 server that fails the self-test; else a warning")
    grid_spool: Path | None = Field(None, description="Folder of results on their way; unset: $GRID_HOME/spool")
    grid_spool_mb: int = Field(4096, ge=64, description="Room of that folder; where it is full, claims stop")
    grid_dev_s3: bool = Field(False, description="Start an S3 server for trials along with STACK=services")
    max_job_timeout: int = Field(3600, ge=1, le=7 * 86_400, description="Longest wall-clock time of one run, seconds")
    log_level: LogLevel = Field("INFO", description="Least severe level that is logged")
    debug: bool = Field(False, description="Log at level DEBUG, whatever LOG_LEVEL says")
    otel_service_name: str = Field("grid", description="Name of this service in traces and metrics")
    otel_exporter_otlp_endpoint: str | None = Field(None, description="Collector of traces and metrics (OTLP)")

    grid_url: str | None = Field(None, description="Server that commands use; unset: the one of the data folder")
    grid_ca_file: Path | None = Field(None, description="Authorities (PEM) of the certificate of GRID_URL")
    grid_home: Path = Field(default_factory=find_home, description="Data folder; found upwards as git does")
    grid_host: str = Field("127.0.0.1", description="Address to listen on")
    grid_port: int = Field(8000, ge=1, le=65_535, description="Port to listen on")
    grid_expose: bool = Field(False, description="Allow an address that is not loopback")
    grid_allowed_hosts: Names = Field((), description="Further Host names to answer to, comma-separated, exact")
    grid_allowed_origins: Names = Field((), description="Further web origins that may call, comma-separated, exact")
    grid_secret_key: SecretStr | None = Field(None, description="Signs tokens; unset: made and kept in $GRID_HOME")
    grid_runner: Runner = Field(
        "auto", description="Where images run; auto: in Docker where it can be used, else as listed local programs"
    )
    docker_host: str | None = Field(None, description="Socket of the Docker engine; unset: the engine's own")
    grid_docker_cpus: float = Field(1.0, gt=0, le=256, allow_inf_nan=False, description="Largest CPUs of a container")
    grid_docker_memory_mb: int = Field(2048, ge=16, description="Largest memory of a container")
    grid_docker_pids: int = Field(64, ge=1, le=32_768, description="Largest number of processes of a container")
    grid_docker_tmp_mb: int = Field(64, ge=1, description="Size of /tmp of a container, in its memory")
    grid_docker_uids: str = Field("200000-200063", description="User ids of containers, one for each at a time")
    grid_slots: int | None = Field(None, ge=1, le=256, description="Cores for simulations; unset: all of them")
    grid_compile_ahead: bool = Field(True, description="Compile kernels of most jobs beside the work, before one asks")
    grid_kernel_cache: str | None = Field(
        None, description="Folder of compiled kernels, or off; unset: the user's cache"
    )
    grid_calibration: str | None = Field(
        None, description="Folder of this machine's calibration, or off; unset: the user's cache"
    )
    grid_lease_s: float = Field(30.0, ge=2.0, le=600.0, description="Life of a claim without a heartbeat")
    grid_heartbeat_s: float = Field(5.0, ge=0.2, le=60.0, description="How often a worker renews its claims")
    grid_live_runs: int = Field(8, ge=0, le=64, description="Live runs of a worker at once; 0: it takes none")
    grid_live_runs_of_user: int = Field(2, ge=1, le=64, description="Live runs of a user that have not ended")
    grid_live_lease_s: float = Field(10.0, ge=4.0, le=600.0, description="Life of a live run's claim without heartbeat")
    grid_live_heartbeat_s: float = Field(2.0, ge=0.2, le=60.0, description="How often a worker renews its live runs")
    grid_poll_s: float = Field(2.0, ge=0.05, le=60.0, description="How often a worker looks without being rung")
    grid_queue_limit: int = Field(20_000, ge=1, description="Queued jobs of one user")
    grid_queue_limit_total: int = Field(100_000, ge=1, description="Queued jobs of all users")
    grid_job_memory_mb: int = Field(2048, ge=64, description="Memory of one job")
    grid_output_mb: int = Field(1024, ge=1, description="Output of one job")

    grid_notifiers: Names = Field(("log",), description="Ways by which notices of alerts leave, comma-separated")
    grid_webhook_url: SecretStr | None = Field(None, description="Address of the notifier webhook; https")
    grid_webhook_secret: SecretStr | None = Field(None, description="Signs notices of the webhook; 32 characters")
    grid_webhook_loopback: bool = Field(False, description="Let the webhook be on this machine, and by http")

    @field_validator("grid_allowed_hosts", "grid_allowed_origins", "grid_notifiers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _comma_separated(value)

    @field_validator(
        "redis_url",
        "grid_artifacts_url",
        "grid_s3_endpoint",
        "grid_spool",
        "docker_host",
        "grid_db_pool",
        "grid_url",
        "grid_ca_file",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        """Take an empty variable, as a Compose file passes it on, for one that is not set."""
        return None if value == "" else value

    @field_validator("redis_url")
    @classmethod
    def _require_redis(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(value, "redis", "rediss"):
            raise _refusal("it is no address of Redis, as redis://:password@host:6379/1 is (rediss:// with TLS)")
        return value

    @field_validator("grid_bell")
    @classmethod
    def _require_redis_for_bell(cls, value: Bell, info: ValidationInfo) -> Bell:
        if value in {"redis", "celery"} and "redis_url" in info.data and info.data["redis_url"] is None:
            raise _refusal("this bell needs REDIS_URL")
        return value

    @field_validator("grid_artifacts_url")
    @classmethod
    def _require_bucket(cls, value: str | None) -> str | None:
        if value is not None and _BUCKET.fullmatch(value) is None:
            raise _refusal("it is no place of results, as s3://bucket/prefix is")
        return value

    @field_validator("grid_s3_endpoint")
    @classmethod
    def _require_endpoint(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(value, "https", "http"):
            raise _refusal("it is no address of a server, as https://s3.example.org is")
        return value

    @field_validator("grid_docker_uids")
    @classmethod
    def _require_uids(cls, value: str) -> str:
        found = _UIDS.fullmatch(value)
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (1000 <= first <= last < 1 << 31 and last - first < MOST_UIDS):
            raise _refusal(f"it is no range of at most {MOST_UIDS} user ids from 1000 on, as 200000-200063 is")
        return value

    @field_validator("grid_home", "artifacts_path", "grid_spool", "grid_ca_file", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value is not None else None

    @cached_property
    def resolved_database_url(self) -> str:
        """The database to use, else SQLite in the data folder; pool and pooler are in its query."""
        url = with_driver(self.database_url) if self.database_url else f"sqlite:///{self.grid_home / 'grid.db'}"
        if self.grid_db_pool is not None:
            url = _with_query(url, f"grid_pool={self.grid_db_pool}")
        is_pooled = self.grid_db_pooler == "transaction" and url.startswith("postgresql")
        return _with_query(url, "grid_pooler=transaction") if is_pooled else url

    @cached_property
    def resolved_artifacts_path(self) -> Path:
        """The folder of results."""
        return self.artifacts_path or self.grid_home / "artifacts"

    @cached_property
    def resolved_spool(self) -> Path:
        """The folder of results on their way to S3."""
        return self.grid_spool or self.grid_home / "spool"

    @cached_property
    def artifacts_bucket(self) -> tuple[str, str] | None:
        """The bucket of results and the prefix in it, without slashes around; None where they are in a folder."""
        return find_bucket(self.grid_artifacts_url or "")

    @cached_property
    def docker_uids(self) -> range:
        """The user ids of containers."""
        first, _, last = self.grid_docker_uids.partition("-")
        return range(int(first), int(last) + 1)

    @property
    def rings_redis(self) -> bool:
        """True where rings go through Redis as well as through local sockets."""
        return self.redis_url is not None and self.grid_bell != "unix"

    @property
    def is_loopback(self) -> bool:
        """True where the server listens to this machine alone."""
        if self.grid_host == "localhost":
            return True
        try:
            return ip_address(self.grid_host).is_loopback
        except ValueError:
            return False


def _is_address(value: str, *schemes: str) -> bool:
    """Tell whether a value is a URL of one of the schemes, with a host and, where it has a port, a valid one."""
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def find_bucket(url: str) -> tuple[str, str] | None:
    """Return bucket and prefix of an address as s3://bucket/prefix is, without slashes around; None for another."""
    found = _BUCKET.fullmatch(url)
    return (found["bucket"], found["prefix"].strip("/")) if found else None


def with_driver(url: str) -> str:
    """Name the driver that Grid installs, where the URL only names the database."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
