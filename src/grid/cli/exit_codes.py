"""Exit statuses of `grid`, for scripts; `docs/commands.md` shows the same table."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses, stable across versions."""

    OK = 0
    FAILED = 1  # something else went wrong; the sentence on stderr says what
    USAGE = 2  # the command line itself is not right
    REFUSED = 3  # the service refused the input: a field, a limit
    NOT_FOUND = 4
    CONFLICT = 5  # the state of the thing does not allow it
    UNAUTHENTICATED = 6  # log in first, or not allowed
    UNAVAILABLE = 7  # the server does not answer, or is not ready
    UNSUCCESSFUL = 8  # a job ended, but not with `success`; or a verification found a failure
    INTERRUPTED = 130  # Ctrl-C


def exit_code_for_status(status: int) -> ExitCode:
    """Translate the status of a problem (RFC 9457) into an exit code."""
    by_status = {
        401: ExitCode.UNAUTHENTICATED,
        403: ExitCode.UNAUTHENTICATED,
        404: ExitCode.NOT_FOUND,
        409: ExitCode.CONFLICT,
        410: ExitCode.NOT_FOUND,
        412: ExitCode.CONFLICT,
        429: ExitCode.UNAVAILABLE,
    }
    if status in by_status:
        return by_status[status]
    return ExitCode.UNAVAILABLE if status >= 500 else ExitCode.REFUSED
