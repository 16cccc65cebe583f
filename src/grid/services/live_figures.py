"""Figures of live runs at one moment, for Prometheus."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from grid.database.mode_states import SERVICE
from grid.database.uow import UnitOfWork
from grid.schemas.live import RunState
from grid.services.mode_board import read_mode
from grid.services.modes import PARTS


@dataclass(frozen=True)
class LiveFigures:
    """Counts of live runs and what belongs to them.

    Args:
        runs: By state.
        alerts: Active ones, by severity.
        incidents: Open or acknowledged ones.
        notices: That have not arrived yet.
        modes: Rung of each part; of a part of runs the worst.
        degraded: How many runs, or 1 for the service, by part and name of the mode; those in full service left out.
    """

    runs: Mapping[RunState, int]
    alerts: Mapping[str, int]
    incidents: int
    notices: int
    modes: Mapping[str, int]
    degraded: Mapping[tuple[str, str], int]


def read_live_figures(uow: UnitOfWork) -> LiveFigures:
    """Count what Prometheus asks for."""
    with uow.read() as tx:
        modes, degraded = dict.fromkeys(PARTS, 0), Counter[tuple[str, str]]()
        for record in tx.modes.read():
            if record.rung:
                degraded[record.part, read_mode(record).name] += 1
            if record.scope == SERVICE or record.rung > modes.get(record.part, 0):
                modes[record.part] = max(record.rung, modes.get(record.part, 0))
        return LiveFigures(
            {state: tx.live_runs.count(states=(state,)) for state in RunState},
            tx.alerts.count_active(),
            tx.incidents.count_living(),
            tx.notices.count_waiting(),
            {str(part): rung for part, rung in modes.items()},
            degraded,
        )
