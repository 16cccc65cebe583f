"""Verbs of live runs: `client.engine.start("burst")`, `client.engine.inject(run, event)`, ...

`AsyncEngine` is the same, to await; both send the calls of `grid.client.live_calls`. A command goes under a key of its
own, so that one that is sent again after a lost answer acts once.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack
from uuid import uuid4

from grid.client import live_calls
from grid.client.calls import Id
from grid.client.live_calls import Event, RunRequest, Span, Speed
from grid.client.sender import LONG, Sender
from grid.schemas.wire.live import (
    AcceptedOut,
    LiveCommandOut,
    LiveEventOut,
    LiveRunOut,
    LiveRunPage,
    PricedRunOut,
)
from grid.schemas.wire.live_metrics import CheckpointOut, MetricHistoryOut, MetricsOut, RulesOut
from grid.schemas.wire.scenarios import ScenarioOut, ScenarioSummary

PART = 500  # rows of one answer where a whole list is read: the most that the service gives at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5


class Engine:
    """Live runs of one server.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def start(self, scenario: str | None = None, **request: Unpack[RunRequest]) -> LiveRunOut:
        """Start a live run of a scenario, or of a `scene` with its `tick_s`."""
        return self._sender.send_surely(live_calls.start_run(scenario, key=new_key(), **request), timeout=LONG)

    def price(self, scenario: str | None = None, **request: Unpack[RunRequest]) -> PricedRunOut:
        """Validate and price a live run, and start nothing."""
        return self._sender.send(live_calls.price_run(scenario, **request), timeout=LONG)

    def list(
        self, *, status: str | Sequence[str] | None = None, after: Id | None = None, limit: int | None = None
    ) -> LiveRunPage:
        """List live runs, newest first: those behind `after`, which is the `next` of the answer before."""
        return self._sender.send(live_calls.list_runs(status=status, after=after, limit=limit))

    def show(self, run: Id) -> LiveRunOut:
        """Show one live run."""
        return self._sender.send(live_calls.get_run(run))

    def pause(self, run: Id) -> AcceptedOut:
        """Pause a run at the next boundary."""
        return self._sender.send_surely(live_calls.pause_run(run, key=new_key()))

    def resume(self, run: Id) -> AcceptedOut:
        """Let a paused run go on."""
        return self._sender.send_surely(live_calls.resume_run(run, key=new_key()))

    def step(self, run: Id, ticks: int = 1) -> AcceptedOut:
        """Advance a paused run by so many ticks."""
        return self._sender.send_surely(live_calls.step_run(run, ticks, key=new_key()))

    def speed(self, run: Id, speed: Speed) -> AcceptedOut:
        """Change how fast a run goes: a factor on its rate, or `max`."""
        return self._sender.send_surely(live_calls.set_speed(run, speed, key=new_key()))

    def stop(self, run: Id) -> AcceptedOut:
        """Stop a run."""
        return self._sender.send_surely(live_calls.stop_run(run, key=new_key()))

    def purge(self, run: Id) -> None:
        """Remove a run that has ended, with everything that is stored about it."""
        self._sender.send(live_calls.purge_run(run))

    def inject(self, run: Id, event: Event, *, at_s: float | None = None, client_id: str | None = None) -> AcceptedOut:
        """Inject an event, as soon as can be or at a simulated time [s]; under one client id once."""
        call = live_calls.inject_event(run, event, at_s=at_s, client_id=client_id or new_key())
        return self._sender.send_surely(call)

    def inject_all(self, run: Id, events: Sequence[Event]) -> Sequence[AcceptedOut]:
        """Inject up to 50 events, all of them or none; each may have its `at_s` and `client_id`."""
        return self._sender.send_surely(live_calls.inject_events(run, name_events(events)))

    def end_event(self, run: Id, seq: int) -> AcceptedOut:
        """End an event at the next boundary."""
        return self._sender.send_surely(live_calls.end_event(run, seq, key=new_key()))

    def model(self, run: Id, policy: str) -> AcceptedOut:
        """Choose the model: `auto`, `lumped` or `diffusive`."""
        return self._sender.send_surely(live_calls.set_model(run, policy, key=new_key()))

    def rules(self, run: Id) -> RulesOut:
        """Show the alert rules of a run, and their version."""
        return self._sender.send(live_calls.get_rules(run))

    def set_rules(self, run: Id, rules: Sequence[Mapping[str, Any]], *, version: int | None = None) -> AcceptedOut:
        """Replace the alert rules of a run; with `version` only where nobody has changed them since."""
        return self._sender.send_surely(live_calls.set_rules(run, rules, version=version, key=new_key()))

    def checkpoint(self, run: Id) -> AcceptedOut:
        """Store the state of a run at the next boundary, and keep it."""
        return self._sender.send_surely(live_calls.add_checkpoint(run, key=new_key()))

    def checkpoints(self, run: Id) -> Sequence[CheckpointOut]:
        """List the snapshots of a run, the newest first."""
        return self._sender.send(live_calls.list_checkpoints(run)).items

    def metrics(self, run: Id) -> MetricsOut:
        """Show the newest metrics of a run, with their age."""
        return self._sender.send(live_calls.get_metrics(run))

    def history(self, run: Id, **span: Unpack[Span]) -> MetricHistoryOut:
        """Show metrics over a span of ticks, by columns, from the coarsest rows that are as many as `points`."""
        return self._sender.send(live_calls.get_history(run, **span))

    def history_csv(self, run: Id, **span: Unpack[Span]) -> str:
        """Return the same as CSV: least, largest, mean and last value of each metric."""
        return self._sender.send(live_calls.get_history_csv(run, **span))

    def events(self, run: Id, *, after: int = 0, kind: str | Sequence[str] | None = None) -> Iterator[LiveEventOut]:
        """Yield what has happened in a run so far, behind a number, in order."""
        following: int | None = after
        while following is not None:
            found = self._sender.send(live_calls.list_events(run, after=following, limit=PART, kind=kind))
            yield from found.items
            following = found.next

    def commands(self, run: Id, *, after: int = 0) -> Iterator[LiveCommandOut]:
        """Yield the commands of a run so far, behind a number, in order."""
        following: int | None = after
        while following is not None:
            found = self._sender.send(live_calls.list_commands(run, after=following, limit=PART))
            yield from found.items
            following = found.next

    def command(self, run: Id, seq: int) -> LiveCommandOut:
        """Show one command, and what became of it."""
        return self._sender.send(live_calls.get_command(run, seq))

    def wait_for(self, run: Id, seq: int, *, timeout_s: float = 60.0) -> LiveCommandOut:
        """Wait until a command has taken effect or was refused, and return it.

        Raises:
            TimeoutError: Neither has happened after `timeout_s`.
        """
        started, pause = time.monotonic(), FIRST_PAUSE_S
        while (found := self.command(run, seq)).outcome is None:
            if time.monotonic() - started > timeout_s:
                raise TimeoutError(_late(seq, timeout_s))
            time.sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * 1.5)
        return found

    def log(self, run: Id) -> str:
        """Return the log of a run as lines of JSON: the input of a replay."""
        return self._sender.send(live_calls.get_log(run), timeout=LONG)

    def scenarios(self) -> Sequence[ScenarioSummary]:
        """List the scenarios that the server offers."""
        return self._sender.send(live_calls.list_scenarios()).items

    def scenario(self, name: str) -> ScenarioOut:
        """Show one scenario."""
        return self._sender.send(live_calls.get_scenario(name))


def new_key() -> str:
    """Return a name of its own for a request, under which it acts once."""
    return str(uuid4())


def name_events(events: Sequence[Event]) -> list[Event]:
    """Give each event a name of its own where it has none."""
    return [{"client_id": new_key(), **event} for event in events]


def _late(seq: int, timeout_s: float) -> str:
    return f"command {seq} has not taken effect after {timeout_s:g} s"
