"""An observer: looks at every job again and again, and remembers each change that it sees."""

import threading
from collections import defaultdict
from typing import Self
from uuid import UUID

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from tests.support.faults.checker import Sight
from tests.support.faults.dump import LEASED, TERMINAL

EVERY_S = 0.2
_QUERY = text("SELECT id, state, version, epoch, worker_losses FROM jobs")


class Observer(threading.Thread):
    """Use as a context manager; adds to `sights`. A database that is away is looked at again later."""

    def __init__(self, url: str, sights: defaultdict[UUID, list[Sight]]) -> None:
        super().__init__(name="observer")
        self.sights = sights
        self._losses: dict[UUID, int] = {}
        self._engine = create_engine(url, poolclass=NullPool)
        self._end = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()
        self._engine.dispose()

    def run(self) -> None:
        while not self._end.wait(EVERY_S):
            try:
                self.look()
            except DBAPIError:  # locked, or away: a fault of the run
                continue

    def look(self) -> None:
        """Look once."""
        with self._engine.connect() as connection:
            rows = connection.execute(_QUERY).all()
        for row in rows:
            job_id = row.id if isinstance(row.id, UUID) else UUID(row.id)
            seen, sight = self.sights[job_id], Sight(row.state, row.version, row.epoch)
            if not seen or seen[-1] != sight:
                seen.append(sight)
            self._losses[job_id] = row.worker_losses

    @property
    def ended(self) -> int:
        """How many jobs were seen to have ended."""
        return sum(seen[-1].state in TERMINAL for seen in list(self.sights.values()))

    @property
    def held(self) -> int:
        """How many jobs were last seen in a worker's hands."""
        return sum(seen[-1].state in LEASED for seen in list(self.sights.values()))

    @property
    def is_idle(self) -> bool:
        """Whether everything that was seen has ended."""
        return all(seen[-1].state in TERMINAL for seen in list(self.sights.values()))

    @property
    def is_one_loss_from_poison(self) -> bool:
        """Whether a job in a worker's hands has lost two workers: a third loss would rightly make it poison."""
        return any(
            self._losses.get(job_id, 0) >= 2 and seen[-1].state not in TERMINAL
            for job_id, seen in list(self.sights.items())
        )
