"""Processes under Linux: start times, resident memory, groups, parent-death signals, and their end."""

import ctypes
import os
import resource
import signal
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36  # <sys/prctl.h>
OWN_CGROUPS, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ExitReason:
    """The end of a process: exactly one of `exit_code` and `signal` is there, or neither where it is unknown."""

    exit_code: int | None = None
    signal: int | None = None
    is_oom: bool = False  # by the kernel's counter or by the measured limit, never inferred from a signal
    was_killed: bool = False  # by this process

    @classmethod
    def of(cls, wait_status: int, *, is_oom: bool = False, was_killed: bool = False) -> "ExitReason":
        """Read a status of `waitpid`."""
        if os.WIFSIGNALED(wait_status):
            return cls(signal=os.WTERMSIG(wait_status), is_oom=is_oom, was_killed=was_killed)
        return cls(exit_code=os.waitstatus_to_exitcode(wait_status), is_oom=is_oom, was_killed=was_killed)

    @property
    def sentence(self) -> str:
        """One sentence for an operator."""
        if self.is_oom:
            return "It needed more memory than it may use and was ended."
        if self.signal is not None:
            return f"It was ended by signal {self.signal}."
        if self.exit_code is not None:
            return f"It ended with exit code {self.exit_code}."
        return "It ended in an unknown way."


def find_start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where there is no such (living) process."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = line[line.rindex(b")") + 2 :].split()  # the name in brackets may hold anything, even blanks and brackets
    return None if fields[0] in (b"Z", b"X") else int(fields[19])  # state; starttime, field 22 of proc(5)


def is_same_process(pid: int, start_time: int) -> bool:
    """Return whether `pid` is still the process that started then, and not another with a reused number."""
    return find_start_time(pid) == start_time


def find_cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, in user and system mode; 0 where it is gone."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0.0
    fields = line[line.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: fields 14 and 15 of proc(5)


def find_rss_bytes(pid: int) -> int | None:
    """Return the resident memory of a process; None where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return None


def find_unlinked_files(pid: int) -> list[tuple[tuple[int, int], int]]:
    """Return the regular files that a process holds open and that have no name any more: device and inode, size."""
    found = []
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                status = os.stat(entry.path)  # noqa: PTH116 - the file behind the link
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    found.append(((status.st_dev, status.st_ino), status.st_size))
    return found


def find_descendants(ancestor: int) -> list[int]:
    """Return the living children of a process, their children, and so on, whatever group or session they are in."""
    children: dict[int, list[int]] = {}
    for pid, parent in _read_parents().items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [ancestor]
    while waiting:
        direct = children.get(waiting.pop(), [])
        found += direct
        waiting += direct
    return found


def _read_parents() -> dict[int, int]:
    """Return the parent of every living process."""
    table = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError, ValueError):
                line = Path(entry.path, "stat").read_bytes()
                fields = line[line.rindex(b")") + 2 :].split()
                if fields[0] not in (b"Z", b"X"):
                    table[int(entry.name)] = int(fields[1])
    return table


def signal_group(group: int, number: signal.Signals) -> bool:
    """Send a signal to a process group; False where it has no process any more."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: only zombies of another user are left
        return False
    return True


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that made it ends; at once where that happened already."""
    end_with_parent(parent, signal.SIGKILL)


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Ask the kernel for a signal when the thread that made this process ends; exit where that happened already."""
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none can hide."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def hide_from_siblings() -> None:
    """Deny other processes of the same user to trace this one or take its descriptors."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def limit_resource(kind: int, amount: int) -> None:
    """Lower one resource limit, soft and hard; never above the parent's hard limit."""
    _, hard = resource.getrlimit(kind)
    allowed = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(kind, (allowed, allowed))


def read_peak_rss_bytes() -> int:
    """Return the largest resident memory of this process since `reset_peak_rss`, or since its start."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak_rss() -> None:
    """Reset the peak, where the kernel allows it (proc(5), clear_refs)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def count_cgroup_oom_kills() -> int | None:
    """Return how many processes of our memory cgroup the kernel has killed for lack of memory; None where unknown."""
    with suppress(OSError, ValueError, StopIteration):
        for line in OWN_CGROUPS.read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "memory":  # version 1
                counter = CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control"
            elif controllers == "":
                counter = CGROUPS / path.lstrip("/") / "memory.events"
            else:
                continue
            if counter.exists():
                words = dict(row.split() for row in counter.read_text(encoding="ascii").splitlines())
                return int(words["oom_kill"]) if "oom_kill" in words else None
    return None
