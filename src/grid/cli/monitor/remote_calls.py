"""Calls of the monitor beside those of `grid.client.live_calls`, as values."""

import httpx

from grid.cli.monitor.remote_reading import Grid, read_grid
from grid.client.calls import API, Call, Id, model
from grid.client.live_calls import RUNS
from grid.schemas.alerts import ALERT_ACTIVE
from grid.schemas.wire.alerts import AlertPage
from grid.schemas.wire.live import LiveRunOut

MOST_ALERTS = 100  # that are shown


def issue_ticket() -> Call[str]:
    """A ticket, which opens one WebSocket within 30 seconds."""
    return Call("POST", f"{API}/streams/tickets", lambda response: str(response.json()["ticket"]), body={})


def get_alerts(run_id: Id) -> Call[AlertPage]:
    """The alerts of a run that are not over."""
    query = {"run": str(run_id), "state": [str(state) for state in sorted(ALERT_ACTIVE)], "limit": MOST_ALERTS}
    return Call("GET", f"{API}/alerts", model(AlertPage), query=query)


def acknowledge_alert(alert_id: Id) -> Call[None]:
    """Say that somebody has seen an alert."""
    return Call("POST", f"{API}/alerts/{alert_id}/acknowledge", lambda _response: None, body={})


def look_at_run(run_id: Id) -> Call[tuple[LiveRunOut, str]]:
    """A run's row, and the degraded mode of the service, which the header of the answer tells: `full` without one."""
    read = model(LiveRunOut)
    return Call("GET", f"{RUNS}/{run_id}", lambda response: (read(response), response.headers.get("Grid-Mode", "full")))


def get_grid(run_id: Id, level: int) -> Call[Grid]:
    """Place and cells of the newest picture of a run, at a level; the values come along, 65,536 at most."""
    query = {"field": "temperature", "level": level, "format": "json"}
    return Call("GET", f"{RUNS}/{run_id}/field", lambda response: read_grid(response.json()), query=query)


def get_last_frame(run_id: Id) -> Call[bytes]:
    """The temperature at the end of a run that has left a result, as a frame."""
    query = {"field": "temperature", "codec": "none"}
    return Call("GET", f"{RUNS}/{run_id}/frames", lambda response: response.content, query=query)


def branch_run(run_id: Id, tick: int) -> Call[str]:
    """Begin another run with the state of a tick; the answer is its id."""
    return Call(
        "POST", f"{RUNS}/{run_id}/branches", lambda response: _find_id(response, "run", "id"), body={"at_tick": tick}
    )


def replay_run(run_id: Id) -> Call[str]:
    """Submit a replay of a run's log; the answer is the job's id."""
    return Call("POST", f"{RUNS}/{run_id}/replays", lambda response: _find_id(response, "job", "id"), body={})


def _find_id(response: httpx.Response, *names: str) -> str:
    """The id of what was made, in the first of some members that there is."""
    found = response.json()
    if "jobs" in found:
        return str(found["jobs"][0])
    return next(str(found[name]) for name in names if name in found)
