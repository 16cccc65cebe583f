"""What clients did, in their own words: each request is invoked, and then ok, failed, or unknown."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

Kind = Literal["invoke", "ok", "fail", "unknown"]


@dataclass(frozen=True)
class Entry:
    """One line. `key` names the operation and never comes twice for two of them; a repeated try has the same key."""

    key: str
    operation: Literal["submit", "cancel"]
    kind: Kind
    points: int = 0
    status: int | None = None
    jobs: tuple[UUID, ...] = ()
    sweep: UUID | None = None
    state: str | None = None  # of a cancel: what the answer says about the job


@dataclass
class History:
    """Entries in the order in which they happened; several threads may write."""

    entries: list[Entry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, entry: Entry) -> None:
        with self._lock:
            self.entries.append(entry)

    def invoked(self) -> dict[str, Entry]:
        """Return the submissions that were tried, by key."""
        return {e.key: e for e in self.entries if e.operation == "submit" and e.kind == "invoke"}

    def accepted(self) -> Iterator[Entry]:
        """Yield every answer that promised something."""
        return (e for e in self.entries if e.operation == "submit" and e.kind == "ok")

    def cancels(self) -> Iterator[Entry]:
        """Yield every cancel that was answered."""
        return (e for e in self.entries if e.operation == "cancel" and e.kind in {"ok", "fail"})

    def write(self, path: Path, **head: Any) -> None:
        """Leave it for people: one JSON document on each line."""
        lines: list[Mapping[str, Any]] = [head, *(asdict(entry) for entry in self.entries)]
        path.write_text("".join(json.dumps(line, default=str) + "\n" for line in lines), encoding="utf-8")
