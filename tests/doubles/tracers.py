"""A tracer that keeps what it is told, for tests that need no OpenTelemetry."""

from collections.abc import Iterator
from contextlib import contextmanager

from grid.core.tracing import FinishedSpan, use_tracer

CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class MemoryTracer:
    """Keeps the spans of other processes; it opens none itself."""

    def __init__(self) -> None:
        self.recorded: list[tuple[FinishedSpan, str]] = []

    def record(self, span: FinishedSpan, parent: str) -> None:
        self.recorded.append((span, parent))

    def spans(self) -> dict[str, FinishedSpan]:
        """Return the spans by name, those inside others included; a name that comes twice is the last one."""
        found: dict[str, FinishedSpan] = {}

        def visit(span: FinishedSpan) -> None:
            found[span.name] = span
            for child in span.children:
                visit(child)

        for span, _ in self.recorded:
            visit(span)
        return found


@contextmanager
def tracing_to_memory() -> Iterator[MemoryTracer]:
    """Trace for the length of the block."""
    tracer = MemoryTracer()
    use_tracer(tracer)  # type: ignore[arg-type]
    try:
        yield tracer
    finally:
        use_tracer(None)
