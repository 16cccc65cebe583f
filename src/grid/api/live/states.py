"""Notices to viewers that follow from a run's state."""

from grid.schemas.live import RunState

_PAUSED = frozenset({RunState.PAUSED, RunState.PARKED})
_AWAY = frozenset({RunState.INTERRUPTED, RunState.RESUMING})


def find_notice(before: RunState | None, after: RunState | None) -> str | None:
    """The notice about a change of state, `paused`, `resumed` or `interrupted`; None where there is none."""
    if after in _PAUSED:
        return None if before in _PAUSED else "paused"
    if after in _AWAY:
        return None if before in _AWAY else "interrupted"
    return "resumed" if after is RunState.RUNNING and before in _PAUSED | _AWAY else None
