"""Parts of one piece of work, shared with a thread that helps if it comes in time.

The parts are taken from one list, so a helper that is held up by other programs leaves them to the caller, who waits
for at most the part that the helper is at. Which thread does a part must not matter to its result.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


def share(do: Callable[[int], None], parts: int) -> None:
    """Call `do` with 0 to `parts` - 1; it must let go of the interpreter's lock for the sharing to bring anything.

    As many threads are used as Numba is allowed.
    """
    from numba import get_num_threads

    left = iter(range(parts))  # of which one thread at a time takes the next

    def drain() -> None:
        for part in left:
            do(part)

    helping = [_helpers().submit(drain) for _ in range(min(int(get_num_threads()), parts) - 1)]
    drain()
    for one in helping:
        if not one.cancel():  # one that did not begin is not waited for
            one.result()


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Threads that wait for work and cost nothing while they do; joined when the interpreter ends."""
    from numba import get_num_threads

    return ThreadPoolExecutor(max(1, int(get_num_threads()) - 1), thread_name_prefix="grid-engine")
