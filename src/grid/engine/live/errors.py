"""Refusals of a live run."""

from typing import Any

from grid.core.errors import NumericsError
from grid.engine.errors import DivergedError


class RefusedChangeError(NumericsError):
    """The state of a live run does not allow a change; nothing has changed."""

    code, title = "change-refused", "The state of the run does not allow the change"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}."


class UnsettledTickError(DivergedError):
    """The stages of a tick do not converge, in however short parts of it.

    Args:
        reason: What the shortest part said.
    """

    code, title = "unsettled-tick", "A tick of a run has no solution that could be found"
    remedy = "choose a finer tick, or weaken the events and sources that act there"

    def __init__(self, reason: str, **place: Any) -> None:
        super().__init__(reason, **place)
        self.reason = reason

    def __str__(self) -> str:
        return self._tell(f"the stages of a tick do not converge even in 64 parts of it ({self.reason.rstrip('.')})")
