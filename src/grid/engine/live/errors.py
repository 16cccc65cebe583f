"""Refusals of a live run."""

from grid.core.errors import NumericsError


class RefusedChangeError(NumericsError):
    """The state of a live run does not allow a change; nothing has changed."""

    code, title = "change-refused", "The state of the run does not allow the change"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}."
