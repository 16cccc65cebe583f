"""Runs of local programs: one process a job, watched, logged, stopped with grace, its output taken in by a thread."""

import selectors
from typing import Any, Protocol

from grid.schemas.jobs import Reason
from grid.services.ledger import Outcome
from grid.services.ports import ArtifactStore
from grid.tasks.clerk import Clerk
from grid.tasks.runs import Run


class Launcher(Protocol):
    """Starts programs."""


class Programs:
    def __init__(self, launcher: Any, selector: selectors.BaseSelector, clerk: Clerk, store: ArtifactStore) -> None:
        self._clerk = clerk

    tokens_used = 0

    def runs(self) -> list[Run]:
        return []

    def start(self, run: Run) -> None:
        self._clerk.write(outcomes=run.fail(Reason.SANDBOX_UNAVAILABLE))

    def stop(self, run: Run, outcome: Outcome | None) -> None: ...
    def kill(self, run: Run) -> None: ...
    def tick(self, now: float) -> None: ...
