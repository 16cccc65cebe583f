"""Settings, by environment variable or `.env`; `.env.example` shows every one of them with its default."""

from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from grid.core.home import find_home

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Everything an operator can set. Promised names have no prefix; Grid's own begin with `GRID_`."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str | None = Field(None, description="SQLAlchemy URL; unset: SQLite in $GRID_HOME/grid.db")
    redis_url: str | None = Field(None, description="Redis for the doorbell of scaled-out workers; used only when set")
    default_container_image: str = Field(
        "sim:local", max_length=255, description="Image of a job that names neither an image nor a simulation"
    )
    artifacts_path: Path | None = Field(None, description="Folder of results; unset: $GRID_HOME/artifacts")
    max_job_timeout: int = Field(3600, ge=1, le=7 * 86_400, description="Longest wall-clock time of one run, seconds")
    log_level: LogLevel = Field("INFO", description="Least severe level that is logged")
    debug: bool = Field(False, description="Log at level DEBUG, whatever LOG_LEVEL says")
    otel_service_name: str = Field("grid", description="Name of this service in traces; kept for a later version")
    otel_exporter_otlp_endpoint: str | None = Field(None, description="Where traces go; kept for a later version")

    grid_home: Path = Field(default_factory=find_home, description="Data folder; found upwards as git does")
    grid_host: str = Field("127.0.0.1", description="Address to listen on")
    grid_port: int = Field(8000, ge=1, le=65_535, description="Port to listen on")
    grid_expose: bool = Field(False, description="Allow an address that is not loopback")
    grid_allowed_hosts: Names = Field((), description="Further Host names to answer to, comma-separated, exact")
    grid_allowed_origins: Names = Field((), description="Further web origins that may call, comma-separated, exact")
    grid_secret_key: SecretStr | None = Field(None, description="Signs tokens; unset: made and kept in $GRID_HOME")
    grid_images: Names = Field(("sim:local",), description="Container images that jobs may name")
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

    @field_validator("grid_allowed_hosts", "grid_allowed_origins", "grid_images", "grid_notifiers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _comma_separated(value)

    @field_validator("grid_home", "artifacts_path", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value is not None else None

    @cached_property
    def resolved_database_url(self) -> str:
        """The database to use: the one that is set, else SQLite in the data folder."""
        if self.database_url:
            return _with_psycopg(self.database_url)
        return f"sqlite:///{self.grid_home / 'grid.db'}"

    @cached_property
    def resolved_artifacts_path(self) -> Path:
        """The folder of results."""
        return self.artifacts_path or self.grid_home / "artifacts"

    @property
    def is_loopback(self) -> bool:
        """True where the server listens to this machine alone."""
        if self.grid_host == "localhost":
            return True
        try:
            return ip_address(self.grid_host).is_loopback
        except ValueError:
            return False


def _with_psycopg(url: str) -> str:
    """Name the driver that Grid installs, where the URL only names the database."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
