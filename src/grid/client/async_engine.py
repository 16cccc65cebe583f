"""Verbs of live runs, to await: see `grid.client.engine`."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, Unpack

import httpx

from grid.client import live_calls
from grid.client.calls import Call, Id
from grid.client.engine import FIRST_PAUSE_S, LONGEST_PAUSE_S, PART, name_events, new_key
from grid.client.live_calls import Event, RunRequest, Span, Speed
from grid.client.sender import LONG, TIMEOUT
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

T = TypeVar("T")


class AsyncSender(Protocol):
    """What sends calls and is awaited."""

    async def send(self, call: Call[T], *, timeout: httpx.Timeout = TIMEOUT) -> T:
        """Send a call and return its answer."""
        ...


class AsyncEngine:
    """The same as `Engine`, to await.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def start(self, scenario: str | None = None, **request: Unpack[RunRequest]) -> LiveRunOut:
        """Start a live run of a scenario, or of a `scene` with its `tick_s`."""
        return await self._sender.send(live_calls.start_run(scenario, key=new_key(), **request), timeout=LONG)

    async def price(self, scenario: str | None = None, **request: Unpack[RunRequest]) -> PricedRunOut:
        """Validate and price a live run, and start nothing."""
        return await self._sender.send(live_calls.price_run(scenario, **request), timeout=LONG)

    async def list(
        self, *, status: str | Sequence[str] | None = None, after: Id | None = None, limit: int | None = None
    ) -> LiveRunPage:
        """List live runs, newest first: those behind `after`, which is the `next` of the answer before."""
        return await self._sender.send(live_calls.list_runs(status=status, after=after, limit=limit))

    async def show(self, run: Id) -> LiveRunOut:
        """Show one live run."""
        return await self._sender.send(live_calls.get_run(run))

    async def pause(self, run: Id) -> AcceptedOut:
        """Pause a run at the next boundary."""
        return await self._sender.send(live_calls.pause_run(run, key=new_key()))

    async def resume(self, run: Id) -> AcceptedOut:
        """Let a paused run go on."""
        return await self._sender.send(live_calls.resume_run(run, key=new_key()))

    async def step(self, run: Id, ticks: int = 1) -> AcceptedOut:
        """Advance a paused run by so many ticks."""
        return await self._sender.send(live_calls.step_run(run, ticks, key=new_key()))

    async def speed(self, run: Id, speed: Speed) -> AcceptedOut:
        """Change how fast a run goes: a factor on its rate, or `max`."""
        return await self._sender.send(live_calls.set_speed(run, speed, key=new_key()))

    async def stop(self, run: Id) -> AcceptedOut:
        """Stop a run."""
        return await self._sender.send(live_calls.stop_run(run, key=new_key()))

    async def purge(self, run: Id) -> None:
        """Remove a run that has ended, with everything that is stored about it."""
        await self._sender.send(live_calls.purge_run(run))

    async def inject(
        self, run: Id, event: Event, *, at_s: float | None = None, client_id: str | None = None
    ) -> AcceptedOut:
        """Inject an event, as soon as can be or at a simulated time [s]; under one client id once."""
        return await self._sender.send(live_calls.inject_event(run, event, at_s=at_s, client_id=client_id or new_key()))

    async def inject_all(self, run: Id, events: Sequence[Event]) -> Sequence[AcceptedOut]:
        """Inject up to 50 events, all of them or none; each may have its `at_s` and `client_id`."""
        return await self._sender.send(live_calls.inject_events(run, name_events(events)))

    async def end_event(self, run: Id, seq: int) -> AcceptedOut:
        """End an event at the next boundary."""
        return await self._sender.send(live_calls.end_event(run, seq, key=new_key()))

    async def model(self, run: Id, policy: str) -> AcceptedOut:
        """Choose the model: `auto`, `lumped` or `diffusive`."""
        return await self._sender.send(live_calls.set_model(run, policy, key=new_key()))

    async def rules(self, run: Id) -> RulesOut:
        """Show the alert rules of a run, and their version."""
        return await self._sender.send(live_calls.get_rules(run))

    async def set_rules(
        self, run: Id, rules: Sequence[Mapping[str, Any]], *, version: int | None = None
    ) -> AcceptedOut:
        """Replace the alert rules of a run; with `version` only where nobody has changed them since."""
        return await self._sender.send(live_calls.set_rules(run, rules, version=version, key=new_key()))

    async def checkpoint(self, run: Id) -> AcceptedOut:
        """Store the state of a run at the next boundary, and keep it."""
        return await self._sender.send(live_calls.add_checkpoint(run, key=new_key()))

    async def checkpoints(self, run: Id) -> Sequence[CheckpointOut]:
        """List the snapshots of a run, the newest first."""
        return (await self._sender.send(live_calls.list_checkpoints(run))).items

    async def metrics(self, run: Id) -> MetricsOut:
        """Show the newest metrics of a run, with their age."""
        return await self._sender.send(live_calls.get_metrics(run))

    async def history(self, run: Id, **span: Unpack[Span]) -> MetricHistoryOut:
        """Show metrics over a span of ticks, by columns, from the coarsest rows that are as many as `points`."""
        return await self._sender.send(live_calls.get_history(run, **span))

    async def history_csv(self, run: Id, **span: Unpack[Span]) -> str:
        """Return the same as CSV: least, largest, mean and last value of each metric."""
        return await self._sender.send(live_calls.get_history_csv(run, **span))

    async def events(
        self, run: Id, *, after: int = 0, kind: str | Sequence[str] | None = None
    ) -> AsyncIterator[LiveEventOut]:
        """Yield what has happened in a run so far, behind a number, in order."""
        following: int | None = after
        while following is not None:
            found = await self._sender.send(live_calls.list_events(run, after=following, limit=PART, kind=kind))
            for event in found.items:
                yield event
            following = found.next

    async def commands(self, run: Id, *, after: int = 0) -> AsyncIterator[LiveCommandOut]:
        """Yield the commands of a run so far, behind a number, in order."""
        following: int | None = after
        while following is not None:
            found = await self._sender.send(live_calls.list_commands(run, after=following, limit=PART))
            for command in found.items:
                yield command
            following = found.next

    async def command(self, run: Id, seq: int) -> LiveCommandOut:
        """Show one command, and what became of it."""
        return await self._sender.send(live_calls.get_command(run, seq))

    async def wait_for(self, run: Id, seq: int) -> LiveCommandOut:
        """Wait until a command has taken effect or was refused; bound it with `asyncio.timeout`."""
        pause = FIRST_PAUSE_S
        while (found := await self.command(run, seq)).outcome is None:
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * 1.5)
        return found

    async def log(self, run: Id) -> str:
        """Return the log of a run as lines of JSON: the input of a replay."""
        return await self._sender.send(live_calls.get_log(run), timeout=LONG)

    async def scenarios(self) -> Sequence[ScenarioSummary]:
        """List the scenarios that the server offers."""
        return (await self._sender.send(live_calls.list_scenarios())).items

    async def scenario(self, name: str) -> ScenarioOut:
        """Show one scenario."""
        return await self._sender.send(live_calls.get_scenario(name))
