"""The outbox relay: committed events move to the numbered stream, at least once and in order."""

from grid.database.uow import UnitOfWork


def relay(uow: UnitOfWork, *, limit: int = 200) -> range:
    """Number up to `limit` events and move them to the stream; return their numbers. The caller then rings for readers.

    Numbers are given after the commit of the change, one relay at a time, so a reader that has seen a number will
    never find a smaller one appear behind it. Empty where another relay is at work.
    """
    with uow.begin() as tx:
        return tx.outbox.relay(limit=limit)
