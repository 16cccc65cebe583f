"""The one family of errors that Grid raises on purpose.

`code` is public and stable: it is the end of a problem's `type` (RFC 9457), the word a script tests for and the key of
the CLI's exit codes. `title` is one sentence, the same for every occurrence; `str(error)` says what happened this time
and what to do next. Values go through `__init__` into `args`, so that an error survives pickling between processes.

The kinds below are what an edge (HTTP, CLI) dispatches on; rooms derive their own errors from them, next to the code
that raises them.
"""

from typing import ClassVar


class GridError(Exception):
    """Base of everything that Grid raises on purpose."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something that Grid refuses"


class InputError(GridError):
    """The input is malformed, out of range or contradictory: the caller can mend it."""

    code, title = "invalid-input", "The input is not valid"


class FieldError(InputError):
    """One named field has a value outside its limits. The value itself is never repeated."""

    code, title = "invalid-field", "A field is outside its limits"

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(field, limit)
        self.field, self.limit = field, limit

    def __str__(self) -> str:
        return f"{self.field}: {self.limit}"


class InvalidFieldsError(InputError):
    """Several fields are outside their limits; `errors` lists them all, in the order of the input."""

    code, title = "invalid-fields", "Fields are outside their limits"

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(str(error) for error in self.errors)


class UnsupportedError(InputError):
    """A valid request for something that this version cannot do yet, named."""

    code, title = "unsupported", "This version cannot do that yet"

    def __init__(self, feature: str) -> None:
        super().__init__(feature)
        self.feature = feature

    def __str__(self) -> str:
        return f"{self.feature} is not supported by this version of Grid."


class AdmissionError(GridError):
    """The estimated memory, work or output is beyond what the caller may use; refused before allocation."""

    code, title = "too-large", "The request is larger than the limit"

    def __init__(self, resource: str, estimate: float, limit: float, unit: str) -> None:
        super().__init__(resource, estimate, limit, unit)
        self.resource, self.estimate, self.limit, self.unit = resource, estimate, limit, unit

    def __str__(self) -> str:
        return f"{self.resource}: {self.estimate:.4g} {self.unit} estimated, {self.limit:.4g} {self.unit} allowed."


class NumericsError(GridError):
    """The mathematics refuses: diverging, singular, not converging."""

    code, title = "numerics", "The computation cannot be carried out"


class DivergedError(NumericsError):
    """The solution left the finite numbers or the bounds that the equation guarantees."""

    code, title = "diverged", "The solution diverged"

    def __init__(self, step: int, time_s: float, reason: str, cell: tuple[int, ...] | None = None) -> None:
        super().__init__(step, time_s, reason, cell)
        self.step, self.time_s, self.reason, self.cell = step, time_s, reason, cell

    def __str__(self) -> str:
        return f"step {self.step}, t = {self.time_s:.6g} s: {self.reason}"


class AuthenticationError(GridError):
    """The caller's identity is not established. The reason is never given away."""

    code, title = "unauthenticated", "Log in first"


class ForbiddenError(GridError):
    """The caller is known and may not do this."""

    code, title = "forbidden", "You may not do this"


class NotFoundError(GridError):
    """It does not exist for this caller; what is not yours is not found either."""

    code, title = "not-found", "Not found"

    def __init__(self, noun: str = "resource") -> None:
        super().__init__(noun)
        self.noun = noun

    def __str__(self) -> str:
        return f"There is no such {self.noun}."


class ConflictError(GridError):
    """The state of the thing does not allow this now."""

    code, title = "conflict", "The current state does not allow this"


class GoneError(GridError):
    """It existed for this caller, and cannot be had any more."""

    code, title = "gone", "It cannot be had any more"


class TooManyRequestsError(GridError):
    """A limit on rate or on queued work is reached; try again after `retry_after_s`."""

    code, title = "too-many-requests", "Too many requests"

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what, retry_after_s)
        self.what, self.retry_after_s = what, retry_after_s

    def __str__(self) -> str:
        return f"{self.what}; try again in {max(1, round(self.retry_after_s))} s."


class UnavailableError(GridError):
    """A part that Grid needs does not answer; nothing was lost, try again."""

    code, title = "unavailable", "A part of the service does not answer"


class StorageFullError(GridError):
    """The disk is full; nothing was stored by halves."""

    code, title = "storage-full", "There is no room left on the disk"


class ConfigurationError(GridError):
    """A setting is missing, unsafe or contradictory: the operator can mend it."""

    code, title = "configuration", "A setting needs attention"
