"""`grid engine wait`: wait until a live run has come to a tick or a state, or until an alert has fired."""

import time
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from grid.cli.connection import connected
from grid.cli.exit_codes import ExitCode
from grid.cli.live_runs import Run, find_run
from grid.cli.output import JsonFlag, fail, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from grid.client.client import GridClient
    from grid.schemas.wire.live import LiveRunOut

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
TIMEOUT_S = 300.0
MOST_ALERTS = 200  # newest of the run that are looked through


def wait(
    run: Run = None,
    tick: Annotated[int | None, typer.Option(min=0, help="Until this tick has been shown.")] = None,
    state: Annotated[str | None, typer.Option(help="Until it is in this state, such as running or stopped.")] = None,
    alert: Annotated[
        str | None, typer.Option(help="Until an alert of this rule has fired; it may be over since.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.0, help="Longest wait, seconds.")] = TIMEOUT_S,
    as_json: JsonFlag = False,
) -> None:
    """Wait until all of this is so. Exit 8 where the run ends before, 1 where it takes too long."""
    with connected() as client:
        if tick is None and state is None and alert is None:
            fail("What is waited for? --tick, --state or --alert.", ExitCode.USAGE)
        require_state(state)
        run_id = find_run(client, run)
        found, missing = watch(client, run_id, tick=tick, state=state, alert=alert, timeout_s=timeout)
        show(found.model_dump(mode="json"), as_json=as_json, view=lambda: describe(found))
        if missing:
            fail(f"The run has ended before {' and '.join(missing)}: {found.message}", ExitCode.UNSUCCESSFUL)


def require_state(state: str | None) -> None:
    """Refuse a word that is no state of live runs.

    Raises:
        FieldError: It is none.
    """
    from grid.core.errors import FieldError
    from grid.schemas.live import RunState

    states = [str(one) for one in RunState]
    if state is not None and state not in states:
        raise FieldError("--state", f"one of {', '.join(states)}")


def watch(
    client: "GridClient",
    run: UUID,
    *,
    tick: int | None,
    state: str | None,
    alert: str | None,
    timeout_s: float,
    sleep: "Callable[[float], None]" = time.sleep,
) -> "tuple[LiveRunOut, list[str]]":
    """Look at a run until nothing is missing, or it has ended; return it with what is missing.

    Raises:
        TimeoutError: Something is missing after `timeout_s`.
    """
    from grid.schemas.live import RUN_TERMINAL

    end, pause = time.monotonic() + timeout_s, FIRST_PAUSE_S
    has_fired = alert is None
    while True:
        found = client.engine.show(run)  # before the alerts: those of a run that has ended are all there
        has_fired = has_fired or _has_fired(client, run, str(alert))
        missing = [] if tick is None or found.tick >= tick else [f"tick {tick}"]
        missing += [] if state is None or found.status == state else [f"state {state}"]
        missing += [] if has_fired else [f"an alert {alert}"]
        if not missing or found.status in RUN_TERMINAL:
            return found, missing
        if time.monotonic() >= end:
            raise TimeoutError(f"{' and '.join(missing)} of run {run}, after {timeout_s:g} s")
        sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 1.5)


def describe(run: "LiveRunOut") -> str:
    """Say in one line how a run stands."""
    name = f" ({run.name})" if run.name else ""
    return f"Run {run.id}{name} is {run.status} at tick {run.tick}."


def _has_fired(client: "GridClient", run: UUID, rule: str) -> bool:
    found = client.alerts.list(run=run, limit=MOST_ALERTS).items
    return any(one.rule == rule for one in found)  # one that is pending is none yet
