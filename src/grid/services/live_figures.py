"""Figures of live runs at one moment, for Prometheus."""

from collections.abc import Mapping
from dataclasses import dataclass

from grid.database.mode_states import SERVICE
from grid.database.uow import UnitOfWork
from grid.schemas.live import RunState
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
    """

    runs: Mapping[RunState, int]
    alerts: Mapping[str, int]
    incidents: int
    notices: int
    modes: Mapping[str, int]


def read_live_figures(uow: UnitOfWork) -> LiveFigures:
    """Count what Prometheus asks for."""
    with uow.read() as tx:
        modes = dict.fromkeys(PARTS, 0)
        for record in tx.modes.read():
            if record.scope == SERVICE or record.rung > modes.get(record.part, 0):
                modes[record.part] = max(record.rung, modes.get(record.part, 0))
        return LiveFigures(
            {state: tx.live_runs.count(states=(state,)) for state in RunState},
            tx.alerts.count_active(),
            tx.incidents.count_living(),
            tx.notices.count_waiting(),
            {str(part): rung for part, rung in modes.items()},
        )
