"""Group commit: many threads' small writes joined into one transaction, so that one fsync serves them all.

Statements are shared too: a function that writes one item writes many for little more. SQLite lets one writer in at a
time and each commit waits for the disk. With 16 clients and a 5 ms fsync, joining raises submissions from 147 to 662 a
second and lowers the 95th percentile from 3 s to 22 ms; fast disks lose nothing.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from grid.core.errors import StorageFullError, UnavailableError

GROUP_LIMIT = 64  # items of one transaction: more would keep its first ones waiting longer than they save
GATHER_S = 0.004  # [s] wait before the group after one of several, for company; a write that is alone never waits

Tx = TypeVar("Tx")
T = TypeVar("T")
Item = TypeVar("Item")
Begin = Callable[[], AbstractContextManager[Tx]]  # opens a write transaction
GroupWrite = Callable[[Tx, Sequence[Item]], Sequence[T | Exception]]


@dataclass(eq=False)
class _Task:
    """One item that a thread waits for."""

    begin: Begin[Any]
    write: GroupWrite[Any, Any, Any]
    item: Any
    future: Future[Any] = field(default_factory=Future)

    def answer(self, value: Any) -> None:
        """Let the thread go on, with a result or an error."""
        if isinstance(value, BaseException):
            self.future.set_exception(value)
        else:
            self.future.set_result(value)


class Writer:
    """One thread of a database that writes the items of others, up to `GROUP_LIMIT` in a transaction."""

    def __init__(self) -> None:
        self._waiting: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, begin: Begin[Tx], write: GroupWrite[Tx, Item, T], item: Item) -> T:
        """Write `item` in the writer thread and return its result once the transaction is on the disk.

        Args:
            begin: Opens a write transaction of this writer's database; a group is written in that of its first item.
            write: Writes items inside a transaction, as `grid.database.uow.UnitOfWork.group` says.
            item: The item to write.

        Raises:
            UnavailableError: The database is closed, or does not answer.
        """
        task = _Task(begin, write, item)
        with self._changed:
            if self._closed:
                raise UnavailableError("The database is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="grid-writer", daemon=True)
                self._thread.start()
            self._waiting.append(task)
            self._changed.notify()
        value: T = task.future.result()
        return value

    def close(self) -> None:
        """Finish what was submitted and stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        was_alone = True
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
            if not was_alone:
                time.sleep(GATHER_S)
            with self._changed:
                group = [self._waiting.popleft() for _ in range(min(GROUP_LIMIT, len(self._waiting)))]
            self._commit(group)
            was_alone = len(group) == 1

    def _commit(self, group: Sequence[_Task]) -> None:
        try:
            answers = self._write(group)
        except (UnavailableError, StorageFullError) as error:
            answers = [(task, error) for task in group]
        except BaseException as error:  # noqa: BLE001 - the threads that wait must hear of it, whatever it is
            if len(group) > 1:  # nothing was stored: find out whose fault it was
                for task in group:
                    self._commit([task])
                return
            answers = [(group[0], error)]
        for task, value in answers:
            task.answer(value)

    def _write(self, group: Sequence[_Task]) -> list[tuple[_Task, Any]]:
        """Write a group in one transaction; return what to answer once it is on the disk."""
        alike: dict[GroupWrite[Any, Any, Any], list[_Task]] = {}
        for task in group:
            alike.setdefault(task.write, []).append(task)
        answers: list[tuple[_Task, Any]] = []
        with group[0].begin() as tx:
            for write, tasks in alike.items():
                answers += zip(tasks, write(tx, [task.item for task in tasks]), strict=True)
        return answers
