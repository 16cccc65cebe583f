"""Errors of the client: each is a `GridError` with a `code` for programs and a sentence for people.

    GridError
    ├── ProblemError              the server refused: `status`, `problem_code` and `errors` are its problem (RFC 9457)
    ├── JobUnsuccessfulError      a job that was waited for ended otherwise than with `success`
    ├── SweepUnsuccessfulError    so did points of a sweep
    ├── UnavailableError
    │   ├── ServerUnreachableError    nobody answers at the address
    │   └── CertificateError          the certificate of the server is not trusted here
    ├── AuthenticationError       nobody is logged in, or the session has ended
    │   └── ServerNotProvenError      the listener has not shown that it is the server of this data folder
    └── FieldError, ConfigurationError    an argument or a setting is outside its limits, before anything is sent

A wait that takes too long raises Python's `TimeoutError`.
"""

from collections.abc import Mapping
from typing import Any

from grid.core.errors import GridError, UnavailableError


class ProblemError(GridError):
    """The server refused; `status`, `problem_code`, `problem_title`, `detail` and `errors` are its words."""

    code, title = "problem", "The server refused the request"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, dict(problem))
        self.status = status
        self.problem = dict(problem)
        self.problem_code = str(problem.get("type", "")).rpartition("/")[2]
        self.problem_title = str(problem.get("title", f"HTTP {status}"))
        self.detail = str(problem.get("detail", ""))
        self.errors: list[Mapping[str, Any]] = [e for e in problem.get("errors") or [] if isinstance(e, dict)]

    def __str__(self) -> str:
        fields = "; ".join(f"{e.get('field', '?')}: {e.get('limit') or e.get('detail', '')}" for e in self.errors)
        return fields or self.detail or self.problem_title


class ServerUnreachableError(UnavailableError):
    """Nobody answers at the address."""

    code, title = "server-unreachable", "No Grid server answers"

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(address, cause)
        self.address, self.cause = address, cause

    def __str__(self) -> str:
        is_elsewhere = self.address.startswith("https:")
        advice = "look at the address, the network and the proxy there" if is_elsewhere else "start one with `grid up`"
        return f"{self.address} does not answer ({self.cause}); {advice}."


class CertificateError(UnavailableError):
    """The certificate of the server is not trusted here; nothing was sent to it."""

    code, title = "certificate-not-trusted", "The server's certificate is not trusted"

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(address, cause)
        self.address, self.cause = address, cause

    def __str__(self) -> str:
        if "ostname mismatch" in self.cause or "address mismatch" in self.cause:
            advice = "Use the name that the certificate is for, or have that name added to it."
        elif "expired" in self.cause or "not yet valid" in self.cause:
            advice = "Have it renewed, or set the clock of this machine."
        else:
            advice = "Where a private authority signed it, name the file of that authority: GRID_CA_FILE=/path/ca.pem."
        return f"{self.address}: {self.cause}. Nothing was sent. {advice}"


class SweepUnsuccessfulError(GridError):
    """A sweep that was waited for has points that ended otherwise than with `success`; `by_status` counts them all."""

    code, title = "sweep-unsuccessful", "The sweep did not succeed"

    def __init__(self, sweep_id: str, by_status: Mapping[str, int]) -> None:
        super().__init__(sweep_id, dict(by_status))
        self.sweep_id, self.by_status = sweep_id, dict(by_status)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.by_status.items() if count)
        return f"{self.sweep_id}: {counts}. The table says why: `grid sweeps table {self.sweep_id}`."


class JobUnsuccessfulError(GridError):
    """A job that was waited for ended otherwise than with `success`."""

    code, title = "job-unsuccessful", "The job did not succeed"

    def __init__(self, job_id: str, status: str, sentence: str) -> None:
        super().__init__(job_id, status, sentence)
        self.job_id, self.status_word, self.sentence = job_id, status, sentence

    def __str__(self) -> str:
        return f"{self.job_id} is {self.status_word}. {self.sentence}"
