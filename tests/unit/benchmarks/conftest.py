"""Databases as the benchmarks of the service take them."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from benchmarks.databases import Databases
from tests.support.databases import Maker


@pytest.fixture
def databases(database_maker: Maker, tmp_path: Path) -> Iterator[Databases]:
    """Fresh databases of either kind, migrated already."""
    numbers = count()
    with ExitStack() as stack:

        def make() -> str:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return stack.enter_context(database_maker.url(folder))

        yield Databases(database_maker.kind, make)
