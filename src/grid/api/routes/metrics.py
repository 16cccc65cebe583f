"""Figures for Prometheus."""

from fastapi import Request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from grid.api.dependencies import Router
from grid.api.exposure import OPEN_ON_LOOPBACK
from grid.api.metrics import Metrics

router = Router(tags=["health"], takes_any_query=True)


@router.get(
    "/metrics",
    dependencies=OPEN_ON_LOOPBACK,
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
def read_metrics(request: Request) -> Response:
    """Requests, jobs by state, the queue, workers and this process; open on loopback, with a login otherwise."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
