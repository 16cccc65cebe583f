"""`grid jobs submit --dry-run`, `grid jobs attempts`, `grid jobs diff`: how they print what the server says."""

from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

from grid.cli.exit_codes import ExitCode
from grid.cli.output import console, show, table

if TYPE_CHECKING:
    from grid.client.calls import Submission
    from grid.client.client import GridClient
    from grid.schemas.wire import AttemptOut, JobDifferenceOut, PricedSubmissionOut

REFUSED_SHOWN = 10  # points in a table; --json has all that the server tells


def print_price(client: "GridClient", *, as_json: bool, **submission: "Unpack[Submission]") -> ExitCode:
    """Print what a submission would be; the code tells whether it would be taken."""
    from grid.client import job_calls
    from grid.client.sender import LONG

    priced = client.send(job_calls.price_submission(**submission), timeout=LONG)
    show(priced.model_dump(mode="json"), as_json=as_json, view=lambda: _price_table(priced))
    if priced.refused and not as_json:
        rows = [
            (point.index, error.field, error.limit, error.unit)
            for point in priced.refused[:REFUSED_SHOWN]
            for error in point.errors
        ]
        title = f"{priced.refused_total} points would be refused; the first"
        console().print(table("point", "field", "limit", "unit", rows=rows, title=title))
    return ExitCode.OK if priced.refused_total == 0 else ExitCode.REFUSED


def print_attempts(client: "GridClient", job_id: UUID, *, as_json: bool) -> None:
    """Print the runs of a job."""
    from grid.client import job_calls

    found = client.send(job_calls.list_attempts(job_id))

    def view() -> Any:
        if not found.items:
            return "No worker has taken the job yet."
        return table("run", "worker", "started", "s", "outcome", "why", rows=map(_attempt_row, found.items))

    show(found.model_dump(mode="json"), as_json=as_json, view=view)


def print_difference(
    client: "GridClient", job_id: UUID, other_id: UUID, field: str | None, time: str | None, *, as_json: bool
) -> None:
    """Print what differs between two jobs."""
    from grid.client import job_calls
    from grid.client.sender import LONG

    found = client.send(job_calls.compare_jobs(job_id, other_id, field=field, time=time), timeout=LONG)
    show(found.model_dump(mode="json"), as_json=as_json, view=lambda: _difference_table(found))


def _price_table(priced: "PricedSubmissionOut") -> Any:
    rows: list[tuple[str, object]] = [("points", priced.points), ("refused", priced.refused_total)]
    if (estimate := priced.estimate) is not None:
        rows += [
            ("work, s of one core", estimate.work_s),
            ("until all have ended, s", f"{estimate.wall_s.low:.3g} to {estimate.wall_s.high:.3g}"),
            ("memory of the largest, MB", estimate.memory_mb),
            ("output of all, MB", estimate.output_mb),
            ("cell steps", estimate.cell_steps),
        ]
    queue = priced.queue
    rows += [
        ("your queue", f"{queue.waiting} of {queue.limit}" + ("" if queue.has_room else ", no room for these")),
        ("ahead, s", queue.ahead_s),
        ("cores of workers", queue.cores),
    ]
    return table("what", "value", rows=rows)


def _attempt_row(attempt: "AttemptOut") -> tuple[object, ...]:
    length = None if attempt.ended_at is None else (attempt.ended_at - attempt.started_at).total_seconds()
    started = attempt.started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return attempt.number, attempt.worker, started, length, attempt.outcome or "runs", attempt.message


def _difference_table(found: "JobDifferenceOut") -> Any:
    rows: list[tuple[object, ...]] = [(one.name, one.unit, one.a, one.b, _less(one.b, one.a)) for one in found.inputs]
    rows += [(f"metrics.{one.name}", one.unit, one.a, one.b, _less(one.b, one.a)) for one in found.metrics]
    if found.norms is not None and (where := found.where) is not None:
        at = ", ".join(f"{name} = {value:.4g}" for name, value in where.at.items())
        rows.append((f"field, furthest apart at {at} m", found.unit, where.a, where.b, where.difference))
        rows.append(("field, root mean square", found.unit, None, None, found.norms.l2))
    elif found.reason is not None:
        rows.append((f"field: {found.reason}", None, None, None, None))
    title = f"Inputs that differ: {found.inputs_total}, that are equal: {found.inputs_equal}"
    return table("what", "unit", "a", "b", "b - a", rows=rows, title=title)


def _less(one: object, other: object) -> float | None:
    numbers = [value for value in (one, other) if isinstance(value, int | float) and not isinstance(value, bool)]
    return float(numbers[0] - numbers[1]) if len(numbers) == 2 else None
