"""Verbs for replays and branches of live runs: `client.replays.replay(run)`, `client.replays.branch(run, at_tick=90)`.

`AsyncReplays` is the same, to await. A replay, or a branch, goes under a key of its own, so that one that is sent again
after a lost answer acts once.
"""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack
from uuid import UUID

from grid.client.async_engine import AsyncSender
from grid.client.calls import API, Call, Id, model
from grid.client.engine import new_key
from grid.client.sender import LONG, Sender
from grid.schemas.wire import SubmissionOut
from grid.schemas.wire.live import LiveRunOut

RUNS = f"{API}/engine/runs"


class BranchFields(TypedDict, total=False):
    """Fields of a branch; what is left out or None is the server's default."""

    at_tick: int | None  # where it leaves its parent
    snapshot: str | None  # a checkpoint of the parent, in place of a tick
    keep_commands: bool  # whether what the parent was told for later is carried out too
    speed: float | str | None  # a factor on the rate, or max
    paused: bool
    name: str | None


def replay_run(run: Id, *, key: str | None = None) -> Call[SubmissionOut]:
    """Submit the log of a live run as a job, up to its end or to where it is now."""
    return Call("POST", f"{RUNS}/{run}/replays", model(SubmissionOut), headers=_key(key))


def freeze_run(run: Id, from_s: float, to_s: float | None = None, *, key: str | None = None) -> Call[SubmissionOut]:
    """Submit a span of a live run as a job."""
    body = {"from_s": from_s, "to_s": to_s}
    return Call("POST", f"{RUNS}/{run}/freeze", model(SubmissionOut), body=body, headers=_key(key))


def branch_run(run: Id, *, key: str | None = None, **fields: Unpack[BranchFields]) -> Call[LiveRunOut]:
    """Start a live run that begins where another one was."""
    body = {name: value for name, value in fields.items() if value is not None}
    return Call("POST", f"{RUNS}/{run}/branches", model(LiveRunOut), body=body, headers=_key(key))


class Replays:
    """Replays and branches of the live runs of one server.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def replay(self, run: Id) -> UUID:
        """Submit the log of a live run, up to its end or to where it is now; return the id of the job."""
        return self._sender.send_surely(replay_run(run, key=new_key()), timeout=LONG).jobs[0]

    def freeze(self, run: Id, from_s: float, to_s: float | None = None) -> UUID:
        """Submit a span of a live run; return the id of the job."""
        return self._sender.send_surely(freeze_run(run, from_s, to_s, key=new_key()), timeout=LONG).jobs[0]

    def branch(self, run: Id, **fields: Unpack[BranchFields]) -> LiveRunOut:
        """Start a live run that begins where another one was."""
        return self._sender.send_surely(branch_run(run, key=new_key(), **fields), timeout=LONG)


class AsyncReplays:
    """The same as `Replays`, to await.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def replay(self, run: Id) -> UUID:
        """Submit the log of a live run, up to its end or to where it is now; return the id of the job."""
        return (await self._sender.send(replay_run(run, key=new_key()), timeout=LONG)).jobs[0]

    async def freeze(self, run: Id, from_s: float, to_s: float | None = None) -> UUID:
        """Submit a span of a live run; return the id of the job."""
        return (await self._sender.send(freeze_run(run, from_s, to_s, key=new_key()), timeout=LONG)).jobs[0]

    async def branch(self, run: Id, **fields: Unpack[BranchFields]) -> LiveRunOut:
        """Start a live run that begins where another one was."""
        return await self._sender.send(branch_run(run, key=new_key(), **fields), timeout=LONG)


def _key(key: str | None) -> Mapping[str, Any]:
    return {"Idempotency-Key": key} if key else {}
