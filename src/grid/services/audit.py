"""The audit log: actions and their actors, written with the change itself, and the proof that no entry was changed.

One entry for each change that a person or an administrator causes: submit, cancel, purge, log in, log out, and every
administrative act. Heartbeats and transitions by workers are in the ledger itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from grid.database.audit import GENESIS, AuditRecord, NamedEntry, NewEntry
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window


@dataclass(frozen=True)
class AuditFault:
    """One entry that is not as it was written."""

    chain: int
    seq: int
    what: str


@dataclass(frozen=True)
class AuditReport:
    """The outcome of a verification. `heads` (chain: length, hash) kept elsewhere prove the log up to this moment."""

    entries: int
    heads: Mapping[int, tuple[int, str]]
    faults: tuple[AuditFault, ...]

    @property
    def is_intact(self) -> bool:
        """True where every entry is there and as it was written."""
        return not self.faults


def record(
    tx: Transaction, *, actor_id: UUID | None, action: str, subject: str, details: Mapping[str, Any] | None = None
) -> None:
    """Append an entry to the log, to be committed or undone with the change itself. Make it the last statement.

    Args:
        tx: The transaction of the change.
        actor_id: The user; None where Grid acts by itself.
        action: `noun.verb`, such as `job.submit`.
        subject: `noun:id`, such as `sweep:0198...`.
        details: A few values that JSON can hold; no secrets.
    """
    record_all(tx, [NewEntry(actor_id, action, subject, details or {})])


def record_all(tx: Transaction, entries: Sequence[NewEntry]) -> None:
    """Append several entries at once, as `record` does."""
    tx.audit.append(entries, at=tx.now())


def verify(uow: UnitOfWork, *, known_heads: Mapping[int, tuple[int, str]] | None = None) -> AuditReport:
    """Read the whole log and find every entry that was changed, removed, inserted or reordered.

    Args:
        uow: Where the log is.
        known_heads: Heads of an earlier report, kept outside the database: they also expose a log that was rewritten
            as a whole by somebody who can write to the database.
    """
    faults: list[AuditFault] = []
    ends: dict[int, tuple[int, str]] = {}
    expected = dict(known_heads or {})
    entries = 0
    with uow.read() as tx:
        for entry in tx.audit.iterate():
            entries += 1
            faults += _check(entry, ends.get(entry.chain, (0, GENESIS)))
            if expected.get(entry.chain, (0, ""))[0] == entry.seq and expected.pop(entry.chain)[1] != entry.hash:
                faults.append(AuditFault(entry.chain, entry.seq, "is not the entry that was known before"))
            ends[entry.chain] = (entry.seq, entry.hash)
        heads = tx.audit.heads()
    for chain in sorted(heads.keys() | ends.keys()):
        if heads.get(chain) != ends.get(chain):
            seq = ends.get(chain, (0, GENESIS))[0]
            faults.append(AuditFault(chain, seq, "is not where the chain ended: later entries are missing or added"))
    faults += [AuditFault(chain, seq, "is missing: it was known before") for chain, (seq, _) in expected.items() if seq]
    return AuditReport(entries, heads, tuple(faults))


def list_entries(
    uow: UnitOfWork,
    *,
    after: UUID | None = None,
    limit: int = 50,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
) -> tuple[list[NamedEntry], UUID | None]:
    """Read entries, newest first, and the cursor behind which they go on (None at the end).

    Args:
        uow: Where the log is.
        after: Only entries older than this one.
        limit: Most entries.
        actor: Only those by this user: an id, or a name; nobody of that name has done nothing.
        action: Only this action; a noun alone means every action on it.
        subject: Only what was done to this.
    """
    with uow.read() as tx:
        actor_id = _find_actor(tx, actor) if actor is not None else None
        if actor is not None and actor_id is None:
            return [], None
        window = Window(limit, None, after)
        items, last = tx.audit.read_window(window, actor_id=actor_id, action=action, subject=subject)
    return items, last.entry.id if last is not None else None


def _find_actor(tx: Transaction, actor: str) -> UUID | None:
    try:
        return UUID(actor)
    except ValueError:
        user = tx.users.find_by_username(actor.casefold())
        return user.id if user is not None else None


def _check(entry: AuditRecord, end: tuple[int, str]) -> list[AuditFault]:
    faults = []
    if entry.seq != end[0] + 1:
        faults.append(AuditFault(entry.chain, entry.seq, f"follows {end[0]}: entries between are missing"))
    if entry.previous != end[1]:
        faults.append(AuditFault(entry.chain, entry.seq, "does not continue the entry before it"))
    if entry.hash != entry.compute_hash():
        faults.append(AuditFault(entry.chain, entry.seq, "was changed after it was written"))
    return faults


def export(uow: UnitOfWork) -> Iterator[dict[str, Any]]:
    """Yield every entry as a JSON object with all that its hash covers, to be kept or checked elsewhere."""
    with uow.read() as tx:
        for entry in tx.audit.iterate():
            yield {
                **vars(entry),
                "id": str(entry.id),
                "at": entry.at.isoformat(timespec="microseconds"),
                "actor_id": str(entry.actor_id) if entry.actor_id else None,
            }
