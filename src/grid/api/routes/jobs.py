"""Jobs: submit, list, show, count, cancel, remove. Their logs and files are in the modules beside this one."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from fastapi import status as http_status
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from grid.api.dependencies import FromDishka, Router, StrictRoute, find_part
from grid.api.listing import ById, CommonFilters
from grid.api.presenting import (
    place_members,
    present_attempt,
    present_job,
    present_labels,
    present_price,
    present_summary,
)
from grid.api.problems import problems
from grid.api.scope import Owner
from grid.api.security import CurrentUser, get_current_user, read_claims
from grid.core.errors import FieldError, InputError, UnsupportedError
from grid.core.strict_json import read_json
from grid.database.job_queries import JobFilter
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus, JobVerdict, Reason
from grid.schemas.labels import MAX_LABELS
from grid.schemas.wire import (
    AttemptList,
    JobOut,
    JobPage,
    JobStats,
    JobSummaryPage,
    LabelList,
    PricedSubmissionOut,
    SubmissionIn,
    SubmissionOut,
    Throughput,
)
from grid.schemas.wire.submissions import MAX_SWEEP_POINTS
from grid.services import jobs as job_service
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.submission_pricing import price_submission
from grid.services.submissions import IdempotencyKey, SubmissionResult, SubmissionService

router = Router(prefix="/jobs", tags=["jobs"], about="Submit, follow, cancel; logs and results")

# The body is read as bytes (its fingerprint comes first) and parsed in a thread, so FastAPI does not know its schema,
# which `grid.api.openapi` puts under this name.
_SCHEMA = {"$ref": f"#/components/schemas/{SubmissionIn.__name__}"}
SUBMISSION_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
FLAG: TypeAdapter[bool] = TypeAdapter(bool)
MAX_FIELDS = 32  # of a submission; it knows fewer


class Body:
    """The bytes of a request, handed over once: whoever reads them frees them before the values are checked."""

    def __init__(self, data: bytearray) -> None:
        self._data = data

    @property
    def data(self) -> bytearray:
        """The bytes."""
        return self._data

    def take(self) -> bytearray:
        """Return the bytes and hold them no longer."""
        data, self._data = self._data, bytearray()
        return data


async def read_body(request: Request) -> Body:
    """Return the body as it came, in one copy; the front door has limited it."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
    return Body(data)


def submit_jobs(
    user: CurrentUser,
    body: Annotated[Body, Depends(read_body)],
    submissions: FromDishka[SubmissionService],
    idempotency_key: Annotated[
        str | None,
        Header(description="A key of your own; the same request with the same key gives the same answer for 24 hours"),
    ] = None,
    dry_run: Annotated[bool, Query(description="Check and price every point, and store nothing")] = False,
) -> Response:
    """Submit one job (`params`), or one for each point of a `sweep`. Accepted means stored, for good.

    Follow a job at `/jobs/{id}/logs/stream`, a sweep at `/sweeps/{id}`. With `dry_run=true` nothing is stored: the
    answer (200) names the points that would be refused, and says what the others cost and how long the queue is.
    """
    if dry_run:
        priced = price_submission(submissions, user.id, read_submission(body))
        return Response(present_price(priced).model_dump_json(), media_type="application/json")
    key = IdempotencyKey.of(idempotency_key, body.data) if idempotency_key is not None else None
    known = submissions.find_answer(user.id, key) if key is not None else None
    submission = read_submission(body)
    result = known or submissions.submit(user.id, submission, key)
    return Response(render_result(result, submission), http_status.HTTP_202_ACCEPTED, media_type="application/json")


class SubmissionRoute(StrictRoute):
    """The route of submissions, which finds the values of its endpoint itself.

    FastAPI's way to find them would take as long as storing a job. What `submit_jobs` declares is what OpenAPI shows.
    """

    def make_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what calls `submit_jobs` in a thread."""

        async def handle(request: Request) -> Response:
            user = await get_current_user(request, read_claims(request))
            dry_run = read_flag(request, "dry_run")
            body, service = await read_body(request), find_part(request, SubmissionService)
            key = request.headers.get("idempotency-key")
            return await run_in_threadpool(submit_jobs, user, body, service, key, dry_run)

        return handle


def read_flag(request: Request, name: str) -> bool:
    """Return a truth value of the query as FastAPI reads one; the last where a name comes again.

    Raises:
        RequestValidationError: It is none.
    """
    text = request.query_params.get(name)
    if text is None:
        return False
    try:
        return FLAG.validate_python(text)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**detail, "loc": ("query", name)} for detail in details]) from error


router.add_api_route(
    "",
    submit_jobs,
    methods=["POST"],
    route_class_override=SubmissionRoute,
    status_code=http_status.HTTP_202_ACCEPTED,
    response_model=SubmissionOut,
    responses={
        200: {"model": PricedSubmissionOut, "description": "With `dry_run`"},
        **problems(409, 413, 415, 422, 429, 507),
    },
    openapi_extra=SUBMISSION_BODY,
)


def read_filter(
    common: CommonFilters,
    status: Annotated[list[JobStatus] | None, Query(description="Only jobs in this state; repeatable")] = None,
    reason: Annotated[list[Reason] | None, Query(description="Only jobs that ended so; repeatable")] = None,
    verdict: Annotated[list[JobVerdict] | None, Query(description="Only jobs whose audits say so; repeatable")] = None,
    simulation: Annotated[str | None, Query(max_length=100, pattern=r"^[a-z0-9\-]+$")] = None,
    sweep: Annotated[UUID | None, Query(description="Only points of this sweep")] = None,
    points: Annotated[bool | None, Query(description="false: only jobs that are no points of a sweep")] = None,
) -> JobFilter:
    """Return the jobs that a query names."""
    return JobFilter(
        **common._asdict(),
        statuses=status or (),
        reasons=reason or (),
        verdicts=verdict or (),
        simulation=simulation,
        sweep_id=sweep,
        is_point=points,
    )


@router.get("", responses=problems(403))
def list_jobs(
    uow: FromDishka[UnitOfWork],
    wanted: Annotated[JobFilter, Depends(read_filter)],
    window: ById,
    view: Annotated[
        Literal["full", "summary"], Query(description="summary: rows without parameters, results, limits and links")
    ] = "full",
) -> JobPage | JobSummaryPage:
    """List jobs, newest first; filter by state, reason, simulation, sweep, time, and labels: `metadata.project=bridge`.

    A program that reads the whole list sends `limit`, and then `after` with the `next` of the answer before, until it
    is null: jobs that come and go meanwhile make it read none twice and miss none. Pages are counted anew each time.
    """
    if view == "summary":
        rows = job_service.list_summaries(uow, wanted, window)
        return JobSummaryPage(items=[present_summary(job) for job in rows.items], **place_members(rows))
    found = job_service.list_jobs(uow, wanted, window)
    return JobPage(items=[present_job(job) for job in found.items], **place_members(found))


@router.get("/stats", responses=problems(403))
def show_job_stats(owner_id: Owner, uow: FromDishka[UnitOfWork]) -> JobStats:
    """Count jobs by state, and show how fast they come and go."""
    numbers = job_service.read_stats(uow, owner_id=owner_id)
    by_status = {state: numbers.by_status.get(state, 0) for state in JobStatus}
    return JobStats(
        total=sum(by_status.values()),
        by_status=by_status,
        queue_depth=by_status[JobStatus.QUEUED],
        running=sum(number for state, number in by_status.items() if state.is_leased),
        finished=Throughput(
            last_minute=numbers.finished_last_minute,
            last_hour=numbers.finished_last_hour,
            by_five_minutes=list(numbers.finished_by_span),
        ),
        mean_wait_s=numbers.mean_wait_s,
        mean_run_s=numbers.mean_run_s,
    )


@router.get("/labels", responses=problems(403))
def list_job_labels(owner_id: Owner, uow: FromDishka[UnitOfWork]) -> LabelList:
    """List the labels of your jobs, frequent ones first: keys and values to filter by."""
    return present_labels(job_service.list_labels(uow, owner_id=owner_id))


@router.get("/{job_id}", responses=problems(403, 404))
def get_job(job_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> JobOut:
    """Show one job: its state and why, times, parameters, and of a successful one metrics and audits."""
    return present_job(job_service.get_job(uow, owner_id=owner_id, job_id=job_id))


@router.get("/{job_id}/attempts", responses=problems(403, 404))
def list_job_attempts(job_id: UUID, owner_id: Owner, uow: FromDishka[UnitOfWork]) -> AttemptList:
    """List the runs of a job, each from its claim by a worker to its end: who ran it, when, and what came of it."""
    attempts = job_service.list_attempts(uow, owner_id=owner_id, job_id=job_id)
    return AttemptList(items=[present_attempt(number, one) for number, one in enumerate(attempts, start=1)])


@router.delete("/{job_id}", status_code=http_status.HTTP_202_ACCEPTED, responses=problems(403, 404, 409, 507))
def cancel_job(
    job_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork], doorbell: FromDishka[Doorbell]
) -> JobOut:
    """Cancel a job: at once where it waits, else as soon as its worker has stopped it. 409 where it has ended."""
    job = job_service.cancel_job(uow, doorbell, actor_id=user.id, owner_id=owner_id, job_id=job_id)
    return present_job(job)


@router.post("/{job_id}/purge", status_code=http_status.HTTP_204_NO_CONTENT, responses=problems(403, 404, 409, 507))
def purge_job(
    job_id: UUID, user: CurrentUser, owner_id: Owner, uow: FromDishka[UnitOfWork], store: FromDishka[ArtifactStore]
) -> None:
    """Remove a job that has ended, with its logs and files. This cannot be undone."""
    job_service.purge_job(uow, store, actor_id=user.id, owner_id=owner_id, job_id=job_id)


def read_submission(body: Body) -> SubmissionIn:
    """Read and check a submission; runs in a thread. The body is gone afterwards.

    Raises:
        InvalidJsonError: The body is not JSON that Grid accepts.
        UnsupportedError: It asks for a study.
        RequestValidationError: Fields are missing, unknown or outside their limits.
    """
    document = read_json(body.take())
    if not isinstance(document, dict):
        raise InputError("The body is refused: it is not a JSON object.")
    if "study" in document:
        raise UnsupportedError("study")
    _require_few(document)
    try:
        return SubmissionIn.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**detail, "loc": ("body", *detail["loc"])} for detail in details]) from error


def _require_few(document: Mapping[str, Any]) -> None:
    """Refuse by their number what would otherwise be refused one by one, with an error for each.

    Raises:
        FieldError: More fields, labels or points than there may be.
    """
    if len(document) > MAX_FIELDS:
        raise FieldError("body", f"must have at most {MAX_FIELDS} fields")
    for name, most in (("metadata", MAX_LABELS), ("sweep", MAX_SWEEP_POINTS)):
        if isinstance(document.get(name), dict | list) and len(document[name]) > most:
            raise FieldError(name, f"must have at most {most} items")
    sweep = document.get("sweep")
    for index, point in enumerate(sweep if isinstance(sweep, list) else ()):
        if not isinstance(point, dict):
            raise FieldError(f"sweep[{index}]", "must be an object")


def render_result(result: SubmissionResult, submission: SubmissionIn) -> bytes:
    """Return the answer as JSON; a sweep's mapping repeats the parameters as they were sent."""
    jobs = [str(job_id) for job_id in result.job_ids]
    mapping = dict(zip(jobs, submission.sweep, strict=True)) if submission.sweep is not None else None
    sweep = str(result.sweep_id) if result.sweep_id is not None else None
    answer: dict[str, Any] = {"jobs": jobs, "sweep_mapping": mapping, "sweep": sweep}
    return json.dumps(answer, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
