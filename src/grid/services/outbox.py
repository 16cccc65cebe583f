"""The outbox relay: committed events move to the numbered stream, at least once and in order."""

from grid.database.outbox import OutboxMessage
from grid.database.uow import UnitOfWork

__all__ = ["OutboxMessage", "relay"]


def relay(uow: UnitOfWork, *, limit: int = 200) -> list[OutboxMessage]:
    """Number up to `limit` events and move them to the stream; the caller then rings for its readers.

    Numbers are given after the commit of the change, one relay at a time, so a reader that has seen a number will
    never find a smaller one appear behind it. Empty where another relay is at work.
    """
    with uow.begin() as tx:
        return tx.outbox.relay(limit=limit)
