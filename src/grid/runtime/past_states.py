"""States that the past of live runs is computed from, fetched for the child that reads them; the last few are kept."""

from collections import OrderedDict
from typing import Final

from grid.runtime.live.past_messages import LookBack
from grid.runtime.moving import Store, fetch_state
from grid.runtime.spool import Spool

MOST_STATES: Final = 2  # that lie in the spool; as many sessions are kept by the child


class PastStates:
    """Fetches stored states. One thread at a time.

    Args:
        store: Where they are kept.
        spool: Where the child reads them.
    """

    def __init__(self, store: Store, spool: Spool) -> None:
        self._store, self._spool = store, spool
        self._fetched: OrderedDict[str, LookBack] = OrderedDict()

    def fetch(self, asked: LookBack) -> None:
        """Put the newest whole state of those that a request names into the spool, unless it is there.

        Raises:
            UnavailableError: The store does not answer.
            StorageFullError: The spool has no room.
        """
        if not asked.snapshots:
            return
        newest = asked.snapshots[0].key
        if newest not in self._fetched:
            fetch_state(self._store, self._spool, asked.snapshots)
        self._fetched[newest] = asked
        self._fetched.move_to_end(newest)
        while len(self._fetched) > MOST_STATES:
            for one in self._fetched.popitem(last=False)[1].snapshots:
                self._spool.delete(one.key)
