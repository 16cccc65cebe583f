"""State of the service for many followers at once: modes, living workers, and each follower's own queue and alerts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from grid.core.errors import GridError
from grid.database.mode_states import SERVICE, ModeRecord
from grid.database.uow import UnitOfWork
from grid.services.mode_board import ModeBoard


class OwnNumbers(NamedTuple):
    """Jobs of one owner, or of all, that wait and that workers hold; active alerts by severity."""

    waiting: int
    running: int
    alerts: Mapping[str, int]


@dataclass(frozen=True)
class SystemNews:
    """State of the service at one moment.

    Args:
        mode: As the header `Grid-Mode` has it.
        modes: Of the parts of the service.
        workers: That were heard of lately; None where the database does not answer.
        own: Numbers by owner; None: of everybody. Empty where the database does not answer.
    """

    mode: str
    modes: tuple[ModeRecord, ...]
    workers: int | None
    own: Mapping[UUID | None, OwnNumbers]


def read_system(
    uow: UnitOfWork, board: ModeBoard, owners: Collection[UUID | None], *, heard_within: timedelta
) -> SystemNews:
    """Read the state of the service, and the numbers of some owners (None: of all together). Never raises.

    Args:
        uow: Where workers, queues and alerts are.
        board: Shows the modes.
        owners: Whose numbers.
        heard_within: Time within which a worker has to be heard of to count as living.
    """
    modes = tuple(record for record in board.records() if record.scope == SERVICE)
    mode = board.describe()
    try:
        with uow.read() as tx:
            ids = {owner for owner in owners if owner is not None}
            queues, alerts = tx.queues.numbers_of(ids), tx.alerts.count_by_owner(ids)
            own: dict[UUID | None, OwnNumbers] = {
                owner: OwnNumbers(*queues.get(owner, (0, 0)), alerts[owner]) for owner in ids
            }
            if None in owners:
                own[None] = OwnNumbers(*tx.queues.totals(), tx.alerts.count_active())
            return SystemNews(mode, modes, len(tx.workers.living(within=heard_within)), own)
    except GridError:
        return SystemNews(mode, modes, None, {})
