"""Compiled SQL that all databases of one kind share, in this process."""

from functools import wraps
from typing import Any

MOST_STATEMENTS = 5000


def share_statements() -> None:
    """Let engines of one dialect share what they have compiled: a test has a fresh one, and compiling takes longest.

    SQLAlchemy looks compiled statements up by dialect and structure; dialects of one class, as Grid makes them, write
    the same SQL, so they count as one here.
    """
    from sqlalchemy import Engine
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.util import LRUCache

    if hasattr(Engine.__init__, "is_sharing"):
        return
    make, caches = Engine.__init__, dict[type, LRUCache[Any, Any]]()

    @wraps(make)
    def make_sharing(self: Engine, pool: Any, dialect: Any, *arguments: Any, **options: Any) -> None:
        make(self, pool, dialect, *arguments, **options)
        if self._compiled_cache is not None:
            self._compiled_cache = caches.setdefault(type(dialect), LRUCache(MOST_STATEMENTS))

    make_sharing.is_sharing = True  # type: ignore[attr-defined]
    Engine.__init__ = make_sharing  # type: ignore[method-assign]
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign,assignment]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign,assignment]
