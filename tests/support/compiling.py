"""Compiling by several workers: in a cold clone they come to the same kernels at the same time."""

import fcntl
from functools import wraps
from typing import Any

import pytest


def compile_in_turn(config: pytest.Config) -> None:
    """Let one worker compile a kernel that others ask for as well, while these wait for what it keeps."""
    if not hasattr(config, "workerinput"):
        return
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    from grid.engine.kernel_cache import KernelCache

    locks = config._tmp_path_factory.getbasetemp().parent / "kernels"
    locks.mkdir(exist_ok=True)
    compile_alone, held = Dispatcher.compile, set[str]()

    @wraps(compile_alone)
    def compile_now(self: Dispatcher, sig: Any) -> Any:
        kept = self._cache._file(self._cache._key(sig, self.targetctx.codegen())) if is_kept(self) else None
        if kept is None or kept.exists() or kept.name in held:
            return compile_alone(self, sig)
        with global_compiler_lock, (locks / kept.name).open("wb") as lock:  # the one of this process first, always
            fcntl.flock(lock, fcntl.LOCK_EX)
            held.add(kept.name)
            try:
                return compile_alone(self, sig)
            finally:
                held.discard(kept.name)

    def is_kept(dispatcher: Dispatcher) -> bool:
        return isinstance(dispatcher._cache, KernelCache)

    Dispatcher.compile = compile_now
