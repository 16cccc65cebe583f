"""Turns of a thread on a core: short ones come soon.

A scheduler by deadlines lets whoever has waited go on when the turn of who runs has ended, and turns last some
milliseconds, as long as a tenth of a tick. A thread that asks for shorter turns is let on at once when it wakes (Linux
6.12 and later); its share of the core stays what it was. Elsewhere asking changes nothing.
"""

import ctypes
import os
import platform
import sys
from typing import Final

_NUMBERS: Final = {"x86_64": (314, 315), "aarch64": (274, 275)}  # of the calls that set and get, <asm/unistd.h>


class _Attributes(ctypes.Structure):
    """`struct sched_attr`, version 0 (sched_setattr(2))."""

    _fields_ = (
        ("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64), ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64), ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )  # fmt: skip


def shorten_turns(seconds: float) -> bool:
    """Ask for turns of so long for the calling thread; False where the system knows no such thing.

    Args:
        seconds: 1e-4 to 0.1 [s]; the system takes the nearest of these.
    """
    numbers = _NUMBERS.get(platform.machine()) if sys.platform == "linux" else None
    if numbers is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = _Attributes(ctypes.sizeof(_Attributes), os.SCHED_OTHER, 0, nice, 0, round(seconds * 1e9))
    call = ctypes.CDLL(None, use_errno=True).syscall
    return call(numbers[0], 0, ctypes.byref(wanted), 0) == 0 and find_turn() == seconds


def find_turn() -> float | None:
    """How long turns of the calling thread are [s]; None where the system does not tell."""
    numbers = _NUMBERS.get(platform.machine()) if sys.platform == "linux" else None
    found = _Attributes()
    call = ctypes.CDLL(None, use_errno=True).syscall
    if numbers is None or call(numbers[1], 0, ctypes.byref(found), ctypes.sizeof(found), 0) != 0:
        return None
    return found.runtime * 1e-9 if found.runtime else None
