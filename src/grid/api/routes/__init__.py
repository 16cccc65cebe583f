"""The routes: a module for each noun, whose router stands here once."""

from grid.api import docs
from grid.api.dependencies import Router
from grid.api.routes import (
    alert_rules,
    alerts,
    auth,
    fields,
    health,
    incidents,
    jobs,
    live_checkpoints,
    live_fields,
    live_metrics,
    live_replays,
    live_rules,
    live_runs,
    live_socket,
    live_streams,
    metrics,
    modes,
    problems,
    results,
    scenarios,
    silences,
    simulations,
    sweeps,
    tickets,
    users,
)

# Under `/api/v1`, in the order in which the documentation shows them.
API_ROUTERS: tuple[Router, ...] = (
    jobs.router,
    results.router,
    fields.router,
    sweeps.router,
    simulations.router,
    problems.router,
    scenarios.router,
    live_runs.router,
    live_metrics.router,
    live_checkpoints.router,
    live_replays.router,
    live_rules.router,
    alerts.router,
    alert_rules.router,
    silences.router,
    incidents.router,
    modes.router,
    auth.router,
    users.router,
    tickets.router,
    live_socket.router,
    live_streams.router,
    live_fields.router,
)
ROOT_ROUTERS: tuple[Router, ...] = (health.router, metrics.router, docs.router)  # for probes and browsers
