"""The collector's address: OTLP over gRPC, or over HTTP where the URL says so."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from grid.core.errors import ConfigurationError

SETTING = "OTEL_EXPORTER_OTLP_ENDPOINT"
GRPC_PORT, HTTP_PORT = 4317, 4318  # as IANA lists them for OTLP

Protocol = Literal["grpc", "http"]


@dataclass(frozen=True)
class Endpoint:
    """Where a collector listens.

    Args:
        protocol: OTLP over gRPC or over HTTP.
        url: Scheme, host and port; for HTTP with the path that `v1/traces` and `v1/metrics` are appended to.
        is_plain: Without TLS.
    """

    protocol: Protocol
    url: str
    is_plain: bool

    def signal(self, name: Literal["traces", "metrics"]) -> str:
        """Return the address for one kind of data."""
        return f"{self.url}/v1/{name}" if self.protocol == "http" else self.url


def read_endpoint(text: str) -> Endpoint:
    """Read an address: `http` without and `https` with TLS.

    Port 4318 and any path mean OTLP over HTTP; every other address, one without a port (then 4317) included, gRPC.

    Raises:
        ConfigurationError: It is not such an address; the sentence does not repeat it, for it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{SETTING} is no URL, or its port no number up to 65535.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{SETTING} has to be an http or https URL with a host, as in http://collector:4317.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{SETTING} takes no user, password, query or fragment; OTEL_EXPORTER_OTLP_HEADERS does."
        )
    path = parts.path.rstrip("/")
    protocol: Protocol = "http" if path or port == HTTP_PORT else "grpc"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = port or (GRPC_PORT if protocol == "grpc" else None)
    place = host if port is None else f"{host}:{port}"
    return Endpoint(protocol, f"{parts.scheme}://{place}{path}", is_plain=parts.scheme == "http")
