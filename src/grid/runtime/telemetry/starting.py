"""Switch telemetry on, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector. Else nothing of it is imported."""

from typing import TYPE_CHECKING, Literal, Protocol

from grid.core.errors import ConfigurationError
from grid.core.logging import get_logger
from grid.core.settings import Settings
from grid.runtime.telemetry.endpoint import SETTING, read_endpoint

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = get_logger(__name__)


class Telemetry(Protocol):
    """Telemetry of this process, while it is on."""

    def close(self) -> None:
        """Deliver what waits, and switch it off."""
        ...


def start_telemetry(
    settings: Settings, role: Literal["server", "worker"], registry: "CollectorRegistry | None" = None
) -> Telemetry | None:
    """Send traces, and the metrics of a registry, to the collector that is set; None where none is.

    Raises:
        ConfigurationError: The address cannot be used, or OpenTelemetry is not installed.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return None
    endpoint = read_endpoint(settings.otel_exporter_otlp_endpoint)
    try:
        from grid.runtime.telemetry.sending import OtelTelemetry
    except ImportError as error:
        raise ConfigurationError(
            f"{SETTING} is set, and OpenTelemetry is not installed: pip install 'grid-throughput[scale]', or unset it."
        ) from error
    telemetry = OtelTelemetry(endpoint, service=settings.otel_service_name, role=role, registry=registry)
    log.info("telemetry_on", protocol=endpoint.protocol, endpoint=endpoint.url, service=settings.otel_service_name)
    return telemetry
