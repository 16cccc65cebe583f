"""Ports: what services need from outside, as small protocols; `grid.runtime` and further adapters implement them.

Each port has an in-memory double in `tests/doubles/`, and one set of contract tests that every adapter passes.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from grid.runtime.live.past_messages import LookBack, LookedBack
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.images import ListedImage
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind, PlannedRun, RunSpec


class Doorbell(Protocol):
    """Announces that the database may hold news. A ring may be lost or come twice: only latency changes."""

    def ring(self, topic: str, hint: UUID | None = None) -> None:
        """Wake whoever listens to `topic` (`work`: workers; `changes`: servers). Never blocks, never raises."""
        ...


class Broker(Protocol):
    """Carries rings to other machines; where it is away, everybody looks a little later."""

    kind: str  # "redis": as /ready names it

    @property
    def problem(self) -> str:
        """Its trouble in one sentence; empty where there is none."""
        ...

    @property
    def lost(self) -> int:
        """The number of rings that were dropped by this process."""
        ...

    def close(self) -> None:
        """Carry no more; twice is harmless."""
        ...


class BellListener(Protocol):
    """The other end of a doorbell."""

    def fileno(self) -> int:
        """Return a descriptor that is readable after a ring, for `select`."""
        ...

    def drain(self) -> int:
        """Read all waiting rings and return their number."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class BellListenerFactory(Protocol):
    """Begins to listen to a topic of the doorbell."""

    def __call__(self, topic: str) -> BellListener:
        """Return a new listener to `topic`; the caller closes it."""
        ...


class RunListener(Protocol):
    """What is told about a live run while it is followed; every call comes from the event loop."""

    def on_connected(self, epoch: int) -> None:
        """The run's owner of this epoch is there: what comes is its. Frames of earlier ones are void."""
        ...

    def on_frame(self, request: FrameRequest, data: bytes) -> None:
        """A frame that was asked for; the same bytes for everybody."""
        ...

    def on_same(self, request: FrameRequest, tick: int, computed_ms: int) -> None:
        """The run goes on, and its picture is that of the last frame."""
        ...

    def on_refused(self, request: FrameRequest, reason: str) -> None:
        """There will be no such frames; the reason begins with the name of the field that is to blame."""
        ...

    def on_sample(self, sample: JsonObject) -> None:
        """A sample, ten a second at most: `grid.runtime.live.messages.Sample` as JSON."""
        ...

    def on_events(self) -> None:
        """There are events, or will be before long: the database has them."""
        ...

    def on_lost(self, *, is_final: bool) -> None:
        """The owner is gone; `is_final` where it said that the run has come to its end."""
        ...


class RunFeed(Protocol):
    """A run that is followed."""

    def want(self, frames: Mapping[FrameRequest, float], *, samples: bool = False, events: bool = False) -> None:
        """Ask for frames, each with its largest rate [1/s], and whether for samples and news of events.

        It replaces what was asked for before, and holds over changes of the owner.
        """
        ...

    def close(self) -> None:
        """Follow the run no longer; nothing is told afterwards. Twice is harmless."""
        ...


class FrameBus(Protocol):
    """Carries frames, samples and news of events from the owners of live runs; it may lose any of them."""

    def follow(self, run_id: UUID, listener: RunListener) -> RunFeed:
        """Follow a run from epoch to epoch until the feed is closed. Called on the event loop; it never blocks."""
        ...


class PastComputer(Protocol):
    """Computes boundaries that live runs have passed again, from stored states and the log."""

    def look_back(self, asked: LookBack) -> LookedBack:
        """Return frames of the past, or why there are none.

        Raises:
            TooManyRequestsError: Others wait already.
            UnavailableError: It cannot be computed now.
        """
        ...


class ArtifactStore(Protocol):
    """Immutable blobs by key. A key is made by Grid, contains the epoch, and is written once."""

    kind: str  # "local", "s3", "memory": as /ready names it

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        """Store all of `source` durably under `key`; return its size and sha256 (hex).

        Raises:
            StorageFullError: There is no room; nothing is left behind.
            ConflictError: The key exists already.
        """
        ...

    def adopt(self, key: str, path: Path, *, sha256: str | None = None) -> int:
        """Store a finished local file durably under `key`; it is gone afterwards. Return its size.

        Args:
            key: As of `put`.
            path: A regular file with one name, whose writer is done.
            sha256: Its hash (hex) where that is known; a store across a network has it checked there.

        Raises:
            StorageFullError: There is no room; nothing is left behind, and the file stays.
            ConflictError: The key exists already.
            UnavailableError: The store does not answer.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading, seekable.

        Raises:
            NotFoundError: There is no such key.
        """
        ...

    def measure(self, key: str) -> tuple[int, str]:
        """Return size and sha256 (hex) of a blob.

        Raises:
            NotFoundError: There is no such key.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a blob; silent where there is none."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`, for the collector of losing epochs."""
        ...

    def staging(self, label: str) -> AbstractContextManager[str]:
        """Lend a private, empty folder on the same file system, removed at the end."""
        ...

    def remove_leftovers(self, older_than_s: float, label: str = "") -> int:
        """Remove blobs and folders that were begun and never finished, where older; return how many.

        Args:
            older_than_s: Age of the last write [s].
            label: Under which they were begun; empty: all.
        """
        ...

    def check(self) -> str:
        """Raise UnavailableError or StorageFullError unless blobs can be written now; return a remark, or nothing."""
        ...


class ImageCatalogue(Protocol):
    """The administrator's list of container images."""

    def find(self, image: str) -> ListedImage | None:
        """Return a listed image and where it runs; None where it is not on the list."""
        ...


class RunPlanner(Protocol):
    """Knows scenes, scenarios and the engine; services know them through it alone."""

    def plan(self, spec: RunSpec) -> PlannedRun:
        """Validate a specification and price it.

        Raises:
            FieldError, InvalidFieldsError: A field is missing, unknown or outside its limits.
            UnsupportedError: No live method computes it.
            UnavailableError: It cannot be priced now.
        """
        ...

    def check_command(self, scene: JsonObject, kind: CommandKind, payload: JsonObject, *, tick_s: str) -> None:
        """Check a command that changes physics against the scene and the tick of its run (those of `PlannedRun`).

        Raises:
            FieldError, InvalidFieldsError: A field is missing, unknown or outside the scene or its limits.
            ConflictError: The scene rules it out.
        """
        ...
