"""The server's look at the store of results."""

from tests.doubles.artifacts import MemoryArtifactStore

from grid.core.errors import StorageFullError
from grid.services.store_watch import StoreWatch


def test_what_the_last_look_found_is_told_without_another():
    store = MemoryArtifactStore()
    watch = StoreWatch(store)
    assert watch.can_store is None

    watch.look()
    assert (watch.can_store, watch.remark) == (True, "")
    store.is_full = True
    assert watch.can_store is True
    watch.look()
    assert watch.can_store is False
    assert isinstance(watch.error, StorageFullError)

    store.is_full = False
    store.check = lambda: "it has gaps"
    watch.look()
    assert (watch.can_store, watch.error, watch.remark) == (True, None, "it has gaps")
