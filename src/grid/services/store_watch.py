"""Whether results can be stored, as the server saw it last: a store across a network may take its time to say so."""

from dataclasses import dataclass, field
from typing import Final

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.services.periodic import PeriodicTask
from grid.services.ports import ArtifactStore

log = get_logger(__name__)

LOOK_EVERY_S: Final = 5.0  # [s]


@dataclass(eq=False)
class StoreWatch:
    """Looks at the store; whoever asks is answered at once.

    Args:
        store: The store.
    """

    store: ArtifactStore
    error: GridError | None = field(default=None, init=False)
    remark: str = field(default="", init=False)
    has_looked: bool = field(default=False, init=False)

    @property
    def can_store(self) -> bool | None:
        """Whether results could be stored at the last look; None where there was none yet."""
        return self.error is None if self.has_looked else None

    def look(self) -> None:
        """Look once."""
        before = self.can_store
        try:
            self.remark, self.error = self.store.check(), None
        except GridError as error:
            self.error = error
        self.has_looked = True
        if self.error is not None and before is not False:
            log.warning("artifacts.cannot_be_stored", kind=self.store.kind, detail=str(self.error))
        elif self.error is None and before is False:
            log.info("artifacts.can_be_stored_again", kind=self.store.kind)

    def make_task(self) -> PeriodicTask:
        """Return the task that looks every few seconds."""
        return PeriodicTask("store-watch", self.look, every_s=LOOK_EVERY_S)
