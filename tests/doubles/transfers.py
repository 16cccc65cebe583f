"""Transfers that are made at once, in the caller's thread, and moving that only says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.doubles.artifacts import MemoryArtifactStore

from grid.runtime.spool import Spool
from grid.tasks.transfers import LIMIT_S, ResultFiles, Transfer


class ImmediateTransfers:
    """Makes each transfer while it is submitted; those that are `held` are made when a test says so."""

    def __init__(self) -> None:
        self.is_holding = False
        self.held: list[Transfer] = []

    def submit(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[Exception], None],
        *,
        undo: Callable[[], None] = lambda: None,
        within_s: float = LIMIT_S,
    ) -> Transfer:
        transfer = Transfer(work, then, otherwise, undo, within_s)
        self.held.append(transfer)
        return transfer

    def make(self) -> None:
        """Make what waits, in order."""
        while self.held and not self.is_holding:
            transfer = self.held.pop(0)
            if transfer.is_abandoned:
                transfer.undo()
                continue
            try:
                result = transfer.work()
            except Exception as error:  # noqa: BLE001 - as the real ones do
                transfer.otherwise(error)
            else:
                transfer.then(result)

    def tick(self, now: float) -> None:
        self.make()

    def finish(self) -> None:
        pass


def make_files(folder: Path) -> ResultFiles:
    """Return files that go from a spool in a folder into memory."""
    spool = Spool(folder / f"spool-{uuid4().hex}")
    return ResultFiles(ImmediateTransfers(), MemoryArtifactStore(), spool)  # type: ignore[arg-type]
