"""Traces of a request on its way through the service: the port, which imports nothing and does nothing by default.

`grid.runtime.telemetry` brings the tracer where an operator named a collector. Until then `span` returns one shared
object that does nothing, `find_tracer` None, and no job carries a context.

A context is the W3C's `traceparent`, as in `00-<32 hex digits of the trace>-<16 of the span>-01`
(https://www.w3.org/TR/trace-context/).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

Attribute = str | int | float | bool
TRACEPARENT_CHARACTERS = 55


@dataclass(frozen=True)
class SpanEvent:
    """A moment within a span; the time is Unix time [s]."""

    name: str
    at_s: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishedSpan:
    """A span that is over, with those inside it; times are Unix time [s]. Plain values: it passes through pipes."""

    name: str
    start_s: float
    end_s: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    children: "Sequence[FinishedSpan]" = ()
    is_error: bool = False


class RequestSpan(Protocol):
    """The span of a request that is being answered."""

    @property
    def trace_id(self) -> str:
        """Thirty-two hexadecimal digits."""
        ...

    def end(self, route: str, status: int) -> None:
        """Say which route answered, and with which status; 0: the caller went away before."""
        ...


class Tracer(Protocol):
    """The tracer of this process."""

    def request(self, method: str, traceparent: str | None) -> AbstractContextManager[RequestSpan]:
        """Open the span of a request, in the trace of the caller where one is named."""
        ...

    def span(self, name: str, attributes: Mapping[str, Attribute]) -> AbstractContextManager[object]:
        """Open a span within the current one."""
        ...

    def find_context(self) -> str | None:
        """Return the context of the current span; None outside of any."""
        ...

    def record(self, span: FinishedSpan, parent: str) -> None:
        """Record a span that is over, in the context of another process."""
        ...


_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Tracer | None = None


def use_tracer(tracer: Tracer | None) -> None:
    """Make this the tracer of the process; None switches tracing off."""
    global _tracer  # noqa: PLW0603 - one process, one tracer
    _tracer = tracer


def find_tracer() -> Tracer | None:
    """Return the tracer; None while tracing is off."""
    return _tracer


def span(name: str, **attributes: Attribute) -> AbstractContextManager[object]:
    """Open a span within the current one; nothing while tracing is off."""
    return _OFF if _tracer is None else _tracer.span(name, attributes)


def find_context() -> str | None:
    """Return the context to hand on with work that another process does; None while tracing is off."""
    return None if _tracer is None else _tracer.find_context()


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace that a context belongs to."""
    return None if traceparent is None else traceparent.split("-")[1]
