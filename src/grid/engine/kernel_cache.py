"""Numba's `njit` with a cache that clones share: `grid.engine.kernel_folder` says where it is.

Numba's own keeps a folder for each place of the sources, so that a second clone compiles everything again, and it
numbers the files of a kernel in an index, so that two processes which compile two signatures of one kernel at the same
time may leave an index entry beside the machine code of the other. Here each signature has a file of its own, named by
a hash of all that Numba's index has as its key, written beside and renamed, and checked when it is read; what cannot be
read is compiled anew, and what cannot be written is done without.
"""

import contextlib
import hashlib
import os
import pickle
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

from grid.engine.kernel_folder import SUFFIX, are_sources_edited, open_folder
from grid.utils.user_cache import is_trusted

F = TypeVar("F", bound=Callable[..., Any])
DIGEST_BYTES = 32


def njit(signature: str | None = None, *, cache: bool = True, **options: Any) -> Callable[[F], F]:
    """Compile a function when it is first called, and keep its machine code for every process of this user.

    Args:
        signature: The one that it is compiled for, at once; None: those with which it is called.
        cache: Keep it.
        options: Those of `numba.njit`.
    """

    def decorate(function: F) -> F:
        compiled: Any = numba.njit(**options)(function)
        if isinstance(compiled, Dispatcher):  # with NUMBA_DISABLE_JIT it is the function itself
            if cache:  # as `Dispatcher.enable_caching` does
                compiled._cache = KernelCache(function, options)  # type: ignore[attr-defined]  # noqa: SLF001
            if signature is not None:
                compiled.compile(signature)
                compiled.disable_compile()
        return cast("F", compiled)

    return decorate


@cache
def _folder() -> Path | None:
    return open_folder()


class KernelCache(_Cache):
    """The machine code of one kernel, by signature and processor; on disk nothing is touched before one is asked.

    Args:
        function: The kernel.
        options: Those of `numba.njit` with which it is compiled.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any] | None = None) -> None:
        self._function, self._is_enabled = function, True
        self._options = tuple(sorted((name, _describe(value)) for name, value in (options or {}).items()))

    @property
    def cache_path(self) -> str | None:
        """Where it is kept."""
        folder = _folder()
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel, ready to be called; None where it is not kept, or is damaged."""
        target_context.refresh()
        key = self._key(sig, target_context.codegen())
        file = self._file(key)
        data = None if file is None else _read(file)
        if data is None:
            return None
        found, parts = pickle.loads(data)  # noqa: S301 - of this user, as `_read` has seen
        if found != key:
            return None
        return CompileResult._rebuild(target_context, *parts)  # type: ignore[no-untyped-call]  # noqa: SLF001 - as Numba's

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel, unless it is bound to this process or the sources were edited meanwhile."""
        file = self._file(self._key(sig, data.codegen))
        is_bound = any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals
        if file is None or is_bound or are_sources_edited():
            return
        parts = self._key(sig, data.codegen), data._reduce()  # noqa: SLF001 - as Numba's does
        _write(file, dumps(parts))  # type: ignore[no-untyped-call]

    def enable(self) -> None:
        """Load and keep."""
        self._is_enabled = True

    def disable(self) -> None:
        """Neither load nor keep."""
        self._is_enabled = False

    def flush(self) -> None:
        """Remove every signature of this kernel, of all processors."""
        folder = _folder()
        for file in () if folder is None else folder.glob(f"{self._name}-*{SUFFIX}"):
            file.unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        function = self._function
        name = f"{function.__module__.removeprefix('grid.engine.')}.{function.__qualname__}"
        return name.replace("<locals>", "").replace("/", "_")

    def _key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        """What Numba's own index has as its key, types, processor, byte code and values that a closure holds; and more.

        That is constants and names in the byte code, and options: two functions of one name may stand in one line.
        """
        closure = self._function.__closure__ or ()
        held = tuple(cell.cell_contents for cell in closure)
        values = dumps(held) if held else b""  # type: ignore[no-untyped-call]
        code = _describe(self._function.__code__).encode()
        digests = hashlib.sha256(code).digest(), hashlib.sha256(values).digest()
        return sig, codegen.magic_tuple(), *digests, self._options

    def _file(self, key: tuple[Any, ...]) -> Path | None:
        folder = _folder() if self._is_enabled else None
        if folder is None:
            return None
        line = self._function.__code__.co_firstlineno
        return folder / f"{self._name}-{line}-{hashlib.sha256(repr(key).encode()).hexdigest()[:20]}{SUFFIX}"


def _describe(part: Any) -> str:
    """Describe byte code, a constant in it, or an option, by the same text in every process."""
    if isinstance(part, CodeType):
        return repr((part.co_code, part.co_names, part.co_varnames, [_describe(each) for each in part.co_consts]))
    if isinstance(part, tuple):
        return repr([_describe(each) for each in part])
    if isinstance(part, set | frozenset):
        return repr(sorted(_describe(each) for each in part))
    return repr(part)


def _read(file: Path) -> bytes | None:
    """Return what `_write` has written; None where there is nothing, part of it, or something of somebody else."""
    try:
        with file.open("rb") as stream:
            if not is_trusted(os.fstat(stream.fileno())):
                return None
            digest, data = stream.read(DIGEST_BYTES), stream.read()
    except OSError:
        return None
    return data if hashlib.sha256(data).digest() == digest else None


def _write(file: Path, data: bytes) -> None:
    """Write a file at once: a reader sees nothing, or all of it; silent where there is no room or no right to."""
    draft = file.with_name(f".{uuid.uuid4().hex}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(data).digest() + data)
        draft.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
