"""The end of a local program as the ledger records it: reason, message, exit code and usage."""

import os
import signal
from dataclasses import dataclass, field
from typing import Any, Protocol

from grid.schemas.jobs import JsonObject, Reason

_REASON_OF_CAUSE = {
    "wall_timeout": Reason.WALL_TIMEOUT,
    "cancelled": Reason.CANCELLED_BY_USER,
    "oom": Reason.OOM,
    "output_too_large": Reason.OUTPUT_TOO_LARGE,
}
_REASON_OF_SIGNAL = {signal.SIGXCPU: Reason.CPU_TIMEOUT, signal.SIGXFSZ: Reason.OUTPUT_TOO_LARGE}


class UsageLimits(Protocol):
    """The limits that decide the reason of an end."""

    @property
    def cpu_limit_s(self) -> float:
        """Processor seconds of one process."""
        ...

    @property
    def output_bytes(self) -> int:
        """Bytes of output."""
        ...


@dataclass(frozen=True)
class ProgramOutcome:
    """`reason` is OK for exit code 0 within all limits. INFRA: not caused by the program, which is tried again."""

    reason: Reason
    message: str
    exit_code: int | None = None
    signal: int | None = None
    usage: JsonObject = field(default_factory=dict)  # wall_s, cpu_s, max_rss_bytes, output_bytes, written_bytes

    @classmethod
    def unwatched(cls) -> "ProgramOutcome":
        """The watchdog ended, or sent an invalid message, while the program ran: only the program can have caused that.

        It fails once: a program that ends its watchdog would do so at every further try.
        """
        return cls(Reason.BAD_OUTPUT, "The process that watched the program was ended while the program ran.")

    @classmethod
    def lost(cls) -> "ProgramOutcome":
        """The watchdog died before the program began."""
        return cls(Reason.INFRA, "The process that watches the program was ended before the program began.")

    @classmethod
    def of(cls, report: dict[str, Any], limits: UsageLimits) -> "ProgramOutcome":
        """Read the watchdog's last message: its own cause comes first, then the kernel's signal, then the exit code."""
        if "failure" in report:
            return cls(Reason.INFRA, report["failure"])
        usage = {name: report[name] for name in ("wall_s", "cpu_s", "max_rss_bytes", "output_bytes")}
        status = report["wait_status"]
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = None if number is not None else os.waitstatus_to_exitcode(status)
        reason = _find_reason(report, number, code, limits)
        usage["written_bytes"] = report["written_bytes"]
        return cls(reason, _make_message(reason, number, code), code, number, usage)


def _find_reason(report: dict[str, Any], number: int | None, code: int | None, limits: UsageLimits) -> Reason:
    if report["cause"] in _REASON_OF_CAUSE:
        return _REASON_OF_CAUSE[report["cause"]]
    if number in _REASON_OF_SIGNAL:
        return _REASON_OF_SIGNAL[signal.Signals(number)]
    if number == signal.SIGKILL and report["cpu_s"] >= limits.cpu_limit_s:  # it ignored SIGXCPU
        return Reason.CPU_TIMEOUT
    written = max(report["output_bytes"], report["written_bytes"])
    if written > limits.output_bytes or (code != 0 and written >= limits.output_bytes):
        return Reason.OUTPUT_TOO_LARGE  # a program that ignores SIGXFSZ fails at a file of just that size
    return Reason.OK if code == 0 else Reason.NONZERO_EXIT


def _make_message(reason: Reason, number: int | None, code: int | None) -> str:
    if reason is not Reason.NONZERO_EXIT:
        return reason.sentence
    if number is not None:
        return f"The program was ended by signal {number}; its log may say more."
    return f"The program ended with exit code {code}; its log says why."
