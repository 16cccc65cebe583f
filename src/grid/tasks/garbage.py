"""Garbage collection: packs, outputs, rendered files and snapshots that nobody refers to, because their claims lost.

Whether something is garbage is asked of the ledger at the moment of its removal, and only of what is older than a day:
a worker that was thought dead may still be writing. Keys that are not of Grid's making are left alone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import TypeVar
from uuid import UUID

from grid.core.ids import find_creation
from grid.core.logging import get_logger
from grid.database.garbage import ReferenceRepository
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import Claim
from grid.services.ledger import Succeeded
from grid.services.live import find_unknown_files
from grid.services.ports import ArtifactStore

log = get_logger(__name__)

KEPT_FOR = timedelta(hours=24)  # of outputs that nobody refers to: a worker thought dead may still be writing
AT_ONCE = 500  # keys in one query

T = TypeVar("T")


def collect_garbage(uow: UnitOfWork, store: ArtifactStore, *, kept_for: timedelta = KEPT_FOR) -> int:
    """Remove every output older than `kept_for` that the ledger does not refer to; return how many blobs."""
    removed = _collect(store, "packs/", _batch_of_pack, lambda ids: _garbage_packs(uow, ids, kept_for))
    removed += _collect(store, "jobs/", _claim_of_output, lambda claims: _garbage_outputs(uow, claims, kept_for))
    removed += _collect(store, "renders/", _request_of_file, lambda ids: _garbage_renders(uow, ids, kept_for))
    removed += _collect_live(uow, store, kept_for)
    removed += store.remove_leftovers(kept_for.total_seconds())
    with uow.begin() as tx:
        rows = ReferenceRepository(tx).remove_losing_logs(older_than=kept_for)
    if removed or rows:
        log.info("worker.garbage_removed", blobs=removed, log_rows=rows)
    return removed


def discard(uow: UnitOfWork, store: ArtifactStore, late: Sequence[Succeeded]) -> int:
    """Remove what results left that the ledger refused, unless it has them after all; return how many blobs.

    An answer to a commit may be lost, and the second try is refused because the first had gone well: so look first. A
    pack goes only when no job of its batch won or may still win.
    """
    packs = {_batch_of_pack(result.manifest["pack"]["key"]) for result in late if "pack" in result.manifest} - {None}
    with uow.read() as tx:
        references = ReferenceRepository(tx)
        won = references.winning([result.claim for result in late])
        kept = references.packs([batch for batch in packs if batch is not None])
    keys = {
        entry["key"] for result in late if result.claim not in won for entry in result.manifest.get("files", ())
    } | {
        result.manifest["pack"]["key"]
        for result in late
        if "pack" in result.manifest and _batch_of_pack(result.manifest["pack"]["key"]) not in kept
    }
    for key in keys:
        store.delete(key)
    return len(keys)


def _collect(
    store: ArtifactStore,
    prefix: str,
    name_of: Callable[[str], T | None],
    garbage: Callable[[Sequence[T]], set[T]],
) -> int:
    removed = 0
    for keys in _groups(store.keys(prefix)):
        named = {key: name for key in keys if (name := name_of(key)) is not None}
        dead = garbage(list(dict.fromkeys(named.values())))
        for key, name in named.items():
            if name in dead:
                store.delete(key)
                removed += 1
    return removed


def _collect_live(uow: UnitOfWork, store: ArtifactStore, kept_for: timedelta) -> int:
    removed = 0
    for keys in _groups(store.keys("live/")):
        for key in find_unknown_files(uow, keys, older_than=kept_for):
            store.delete(key)
            removed += 1
    return removed


def _garbage_packs(uow: UnitOfWork, batches: Sequence[UUID], kept_for: timedelta) -> set[UUID]:
    old = [batch for batch in batches if _age_s(batch) > kept_for.total_seconds()]
    if not old:
        return set()
    with uow.read() as tx:
        return set(old) - ReferenceRepository(tx).packs(old)


def _garbage_outputs(uow: UnitOfWork, claims: Sequence[Claim], kept_for: timedelta) -> set[Claim]:
    old = [claim for claim in claims if _age_s(claim.job_id) > kept_for.total_seconds()]
    if not old:
        return set()
    with uow.read() as tx:
        references = ReferenceRepository(tx)
        open_jobs = references.undecided([claim.job_id for claim in old], for_less_than=kept_for)
        return {claim for claim in old if claim.job_id not in open_jobs} - references.winning(old)


def _garbage_renders(uow: UnitOfWork, requests: Sequence[UUID], kept_for: timedelta) -> set[UUID]:
    old = [request for request in requests if _age_s(request) > kept_for.total_seconds()]
    if not old:
        return set()
    with uow.read() as tx:
        return set(old) - ReferenceRepository(tx).renders(old)


def _age_s(identifier: UUID) -> float:
    return time.time() - find_creation(identifier).timestamp()


def _batch_of_pack(key: str) -> UUID | None:
    """`packs/<day>/<batch>.npy`."""
    parts = key.split("/")
    return _uuid(parts[2].removesuffix(".npy")) if len(parts) == 3 else None


def _claim_of_output(key: str) -> Claim | None:
    """`jobs/<job>/<epoch>/<name>`."""
    parts = key.split("/")
    job_id = _uuid(parts[1]) if len(parts) == 4 and parts[2].isdigit() else None
    return Claim(job_id, int(parts[2])) if job_id is not None else None


def _request_of_file(key: str) -> UUID | None:
    """`renders/<job>/<epoch>/<version>/<request>-<epoch>/<name>`."""
    parts = key.split("/")
    return _uuid(parts[4].partition("-")[0]) if len(parts) == 6 else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _groups(keys: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(keys)
    while group := list(islice(iterator, AT_ONCE)):
        yield group
