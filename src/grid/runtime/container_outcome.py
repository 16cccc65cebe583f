"""The end of a container as the ledger records it, from the last message of its watchdog."""

import signal
from typing import Any, Final

from grid.runtime.program_outcome import ProgramOutcome, UsageLimits
from grid.schemas.jobs import JsonObject, Reason

_OF_SIGNAL: Final = 128  # exit code of an init process whose child was ended by a signal, and of a shell: this and more
_REASON_OF_CAUSE: Final = {
    "wall_timeout": Reason.WALL_TIMEOUT,
    "cancelled": Reason.CANCELLED_BY_USER,
    "supervisor_gone": Reason.INFRA,
    "output_too_large": Reason.OUTPUT_TOO_LARGE,
}
_MEASURED: Final = ("wall_s", "cpu_s", "max_rss_bytes", "output_bytes", "written_bytes", "container_id", "image_id")


def read_outcome(report: dict[str, Any], limits: UsageLimits) -> ProgramOutcome:
    """Read the watchdog's last message: a failure of the service first, then its own cause, then how the run ended.

    Exit code 137 alone is no proof of anything: memory is the reason where the engine counted it, and a kill where the
    watchdog did it.
    """
    usage: JsonObject = {name: report[name] for name in _MEASURED if report.get(name) is not None}
    if "failure" in report:
        return ProgramOutcome(
            Reason(report.get("reason", "infra")), report["failure"], report.get("exit_code"), None, usage
        )
    code = report["exit_code"]
    reason = _find_reason(report, code, limits)
    number = code - _OF_SIGNAL if code > _OF_SIGNAL and reason is not Reason.OK else None
    return ProgramOutcome(reason, _make_message(reason, code), code, number, usage)


def _find_reason(report: dict[str, Any], code: int, limits: UsageLimits) -> Reason:
    cause = report["cause"]
    if report["is_oom"] and code != 0 and cause in (None, "wall_timeout"):
        return Reason.OOM
    if cause in _REASON_OF_CAUSE:
        return _REASON_OF_CAUSE[cause]
    if code == 0:
        written = max(report["output_bytes"], report["written_bytes"])
        return Reason.OUTPUT_TOO_LARGE if written > limits.output_bytes else Reason.OK
    if report["engine_was_away"]:  # an engine that begins anew ends the containers of before
        return Reason.INFRA
    if code == _OF_SIGNAL + signal.SIGXCPU:
        return Reason.CPU_TIMEOUT
    if code == _OF_SIGNAL + signal.SIGKILL and (report.get("cpu_s") or 0.0) >= limits.cpu_limit_s:
        return Reason.CPU_TIMEOUT  # it ignored SIGXCPU
    if code == _OF_SIGNAL + signal.SIGXFSZ or report["output_bytes"] >= limits.output_bytes:
        return Reason.OUTPUT_TOO_LARGE  # where that signal is ignored, a run fails at a file of just that size
    return Reason.NONZERO_EXIT


def _make_message(reason: Reason, code: int) -> str:
    if reason is Reason.INFRA:
        return "The Docker engine went away while the container ran."
    if reason is not Reason.NONZERO_EXIT:
        return reason.sentence
    return f"The program ended with exit code {code}; its log says why."
