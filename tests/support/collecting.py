"""Collecting by several workers: each imports every test, which takes a cold clone most of a minute."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from tests.support.tracing import pause_coverage

FIRST = "gw0"
PATIENCE_S = 120.0  # a first worker that has ended keeps the others no longer


@contextmanager
def collect_in_turn(config: pytest.Config) -> Iterator[None]:
    """Let the first worker collect alone, and the others after it, from what it has compiled and without tracing.

    The lines that importing runs are the same in all of them. What is imported lives as long as the process, so
    it is not looked through for garbage, neither meanwhile nor later.
    """
    worker = getattr(config, "workerinput", {}).get("workerid")
    collected = config._tmp_path_factory.getbasetemp().parent / "collected"  # in the folder of the run
    if is_later := worker not in (None, FIRST):
        _wait_for(collected)
    gc.disable()
    try:
        with pause_coverage() if is_later else nullcontext():
            yield
    finally:
        gc.freeze()
        gc.enable()
        if worker == FIRST:
            collected.touch()


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
