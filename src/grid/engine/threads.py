"""Parts of one computation, shared with helper threads where cores are idle.

The parts are taken from one list, so a helper that is delayed by other programs leaves them to the caller, who waits
for at most the part in progress at the helper. The thread that computes a part must not matter to its result.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

RUNNING = Path("/proc/loadavg")  # its fourth field counts the threads that are ready to run, the caller's included


def parallel_for(do: Callable[[int], None], parts: int) -> None:
    """Call `do` with 0 to `parts` - 1, in several threads; it should release the interpreter's lock.

    The number of threads is what Numba is allowed, and at most the number of idle cores.
    """
    left = iter(range(parts))  # one thread at a time takes the next part

    def drain() -> None:
        for part in left:
            do(part)

    helping = [_helpers().submit(drain) for _ in range(min(_count_free(), parts) - 1)]
    drain()
    for one in helping:
        if not one.cancel():  # a helper that did not begin is not waited for
            one.result()


def _count_free() -> int:
    """Number of threads that may run at once, the caller's included; a helper without a core would delay the caller."""
    from numba import get_num_threads

    allowed = int(get_num_threads())
    if allowed > 1 and RUNNING.exists():
        running = int(RUNNING.read_text(encoding="ascii").split()[3].partition("/")[0])  # "0.4 0.3 0.2 1/190 4242"
        return max(1, min(allowed, 1 + (os.cpu_count() or 1) - running))
    return allowed


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Threads that wait for work without using a core; joined when the interpreter ends."""
    from numba import get_num_threads

    return ThreadPoolExecutor(max(1, int(get_num_threads()) - 1), thread_name_prefix="grid-engine")
