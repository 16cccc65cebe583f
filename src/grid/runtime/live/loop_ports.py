"""What the loop of a live run needs from outside: its supervisor, its snapshots, its viewers."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

from grid.engine.live.session import FieldName, Session
from grid.runtime.live.frame_cache import Picture
from grid.runtime.live.messages import LiveEvent, Sample, Saved, Snapshotted, StoredFile


class Channel(Protocol):
    """The pipe to the supervisor."""

    def receive(self, timeout: float) -> object | None:
        """The next message; None if none comes in time [s].

        Raises:
            EOFError: The supervisor is gone.
        """

    def send(self, message: object) -> None:
        """Send a message."""


class SnapshotKeeper(Protocol):
    """Stores states of a run, without holding up its ticks."""

    def is_due(self, now: float, /) -> bool:
        """Whether a state is to be kept now, without anybody asking."""

    def keep(self, session: Session, seq: int) -> None:
        """Take the state at this boundary; it is stored later, and told to the supervisor.

        Args:
            session: At the boundary; it goes on.
            seq: Number of the command that asks for it; 0 for none.
        """

    def finish(self, session: Session, /, *, is_result: bool) -> tuple[tuple[StoredFile, ...], Snapshotted | None]:
        """Store the last state and, for a result, its fields; return what is stored."""


class InlineKeeper:
    """Sends states to the supervisor, and takes none by itself."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def is_due(self, _now: float) -> bool:
        """Never."""
        return False

    def keep(self, session: Session, seq: int) -> None:
        """Send the state."""
        data = session.save()
        self._channel.send(Saved(seq, session.tick, data, hashlib.sha256(data).hexdigest()))

    def finish(self, _session: Session, *, is_result: bool) -> tuple[tuple[StoredFile, ...], Snapshotted | None]:  # noqa: ARG002
        """Store nothing."""
        return (), None


class Viewers(Protocol):
    """Servers that show a run to people (`grid.runtime.live.publisher.FramePublisher`)."""

    def wanted(self, now: float, tick: int | None = None, /) -> tuple[FieldName, ...]:
        """Fields of which a picture is due."""

    def offer(self, picture: Picture, /) -> None:
        """Take a picture; never blocks."""

    def offer_sample(self, sample: Sample, /) -> None:
        """Take a sample; never blocks."""

    def offer_events(self, *events: LiveEvent) -> None:
        """Take note of events; never blocks."""

    def load_figures(self, now: float, /) -> Mapping[str, float | None]:
        """What pictures cost, and whether there are any, as metrics of the pace: `schemas.live.PACE_METRICS`."""


class NoViewers:
    """Nobody looks."""

    def wanted(self, _now: float, _tick: int | None = None) -> tuple[FieldName, ...]:
        """Nothing."""
        return ()

    def offer(self, _picture: Picture) -> None:
        """Drop it."""

    def offer_sample(self, _sample: Sample) -> None:
        """Drop it."""

    def offer_events(self, *_events: LiveEvent) -> None:
        """Drop them."""

    def load_figures(self, _now: float) -> Mapping[str, float | None]:
        """Nothing is known."""
        return {}


class LostViewers(NoViewers):
    """Servers cannot be answered: nobody can look."""

    def load_figures(self, _now: float) -> Mapping[str, float | None]:
        """There are no pictures."""
        return {"has_frames": 0.0}


class Compiler(Protocol):
    """What is known of the compiling of kernels (`grid.runtime.live.compile_watch.CompileWatch`)."""

    def settle(self) -> bool:
        """Tell that compiling is over where it is; whether anything was compiled since this was last asked."""


class NoCompiler:
    """Nothing is known."""

    def settle(self) -> bool:
        """Nothing was compiled."""
        return False
