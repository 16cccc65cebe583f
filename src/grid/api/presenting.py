"""Records of the ledger as the wire models of the answer: what a caller may see, with links and without NaN."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote
from uuid import UUID

from grid.api.problems import present_field
from grid.core.storable import MOST_NAME, storable_scalars, storable_text
from grid.core.tracing import trace_id_of
from grid.database.job_queries import JobSummary
from grid.database.jobs import JobRecord
from grid.database.label_counts import LabelCount
from grid.schemas.fields import FieldAxis
from grid.schemas.jobs import JobStatus, judge_result
from grid.schemas.results import SeriesColumn, guide_of
from grid.schemas.simulations import Simulation
from grid.schemas.wire import (
    ArtifactOut,
    AttemptOut,
    AuditOut,
    EstimateOut,
    ExampleOut,
    FieldAxisOut,
    FieldGuideOut,
    JobLinks,
    JobOut,
    JobSummaryOut,
    LabelKeyOut,
    LabelList,
    LabelValueOut,
    MetricGuideOut,
    PricedSubmissionOut,
    QueueOut,
    RefusedPointOut,
    SeriesColumnOut,
    SimulationOut,
    SimulationSummary,
    SweepOut,
    SweepRow,
    WallTimeOut,
)
from grid.schemas.wire.jobs import MetricValue
from grid.services.artifacts import Artifact
from grid.services.jobs import Attempt, Page, describe_state
from grid.services.ledger.sanitization import make_storable_audit
from grid.services.submission_pricing import PricedSubmission, SubmissionEstimate
from grid.services.sweeps import SweepState

API = "/api/v1"
HEAT_PROBLEM = "heat-problem"  # format of a parameter that is a problem in the case format


def present_job(job: JobRecord) -> JobOut:
    """Return a job as its owner sees it."""
    manifest = job.result_manifest
    metrics, not_finite = _finite(manifest.get("metrics", {})) if manifest is not None else (None, [])
    return JobOut(
        id=job.id,
        status=job.state,
        reason=job.reason,
        message=describe_state(job),
        container_image=job.image,
        simulation=job.simulation,
        params=job.params,
        metadata=job.meta,
        sweep_id=job.sweep_id,
        sweep_index=job.sweep_index,
        progress=job.progress,
        priority=-job.priority,  # stored the other way round
        attempts=job.attempts_used,
        retries=job.max_attempts - 1,
        worker_losses=job.worker_losses,
        timeout_s=job.wall_limit_s,
        created_at=job.created_at,
        available_at=job.available_at,
        expires_at=job.expires_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cancel_requested_at=job.cancel_requested_at,
        metrics=metrics,
        not_finite=not_finite,
        audits=[_present_audit(audit) for audit in manifest.get("audits", [])] if manifest is not None else None,
        verdict=judge_result(job.state, job.reason, manifest.get("audits", []) if manifest is not None else ()),
        numerics_version=manifest.get("numerics_version") if manifest is not None else None,
        trace_id=trace_id_of(job.traceparent),
        runner=job.slot if job.slot == "program" or job.slot == "docker" else None,
        links=_links(job.id, job.sweep_id),
    )


def present_summary(job: JobSummary) -> JobSummaryOut:
    """Return one row of a list of jobs."""
    return JobSummaryOut(
        id=job.id,
        status=job.state,
        reason=job.reason,
        message=describe_state(job),
        simulation=job.simulation,
        container_image=job.image,
        sweep_id=job.sweep_id,
        sweep_index=job.sweep_index,
        progress=job.progress,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        metadata=job.meta,
        verdict=job.verdict,
    )


def present_labels(counts: Sequence[LabelCount]) -> LabelList:
    """Return the labels of jobs with their numbers."""
    return LabelList(
        keys=[
            LabelKeyOut(
                key=one.key,
                jobs=one.jobs,
                distinct=one.distinct,
                values=[LabelValueOut(value=value, jobs=number) for value, number in one.values],
            )
            for one in counts
        ]
    )


def present_attempt(number: int, attempt: Attempt) -> AttemptOut:
    """Return one run of a job."""
    record = attempt.record
    return AttemptOut(
        number=number,
        epoch=record.epoch,
        worker=record.owner,
        host=record.host,
        started_at=record.started_at,
        ended_at=record.ended_at,
        outcome=record.outcome,
        reason=attempt.reason,
        message=attempt.message,
        exit_code=record.exit_code,
        container_id=(record.usage or {}).get("container_id"),
        image_id=(record.usage or {}).get("image_id"),
    )


def present_price(priced: PricedSubmission) -> PricedSubmissionOut:
    """Return what a submission would be."""
    refused = [
        RefusedPointOut(index=one.index, errors=[present_field(error) for error in one.errors])
        for one in priced.refused
    ]
    estimate, queue = priced.estimate, priced.queue
    return PricedSubmissionOut(
        points=priced.points,
        refused_total=priced.refused_total,
        refused=refused,
        estimate=None if estimate is None else _present_estimate(estimate),
        queue=QueueOut(**asdict(queue)),
    )


def _present_estimate(estimate: SubmissionEstimate) -> EstimateOut:
    return EstimateOut(
        work_s=estimate.work_s,
        wall_s=WallTimeOut(low=estimate.least_s, high=estimate.most_s),
        memory_mb=estimate.memory_bytes / 1e6,
        output_mb=estimate.output_bytes / 1e6,
        cell_steps=estimate.cell_steps,
    )


def place_members(found: Page[Any]) -> dict[str, Any]:
    """Return what every list says of itself: where this part of it lies, and where it goes on."""
    return {
        "next": found.next,
        "page": found.window.page,
        "size": found.window.size,
        "total": found.count.number,
        "total_is_exact": found.count.is_exact,
        "pages": found.pages,
    }


def present_sweep(sweep: SweepState) -> SweepOut:
    """Return a sweep in numbers."""
    return SweepOut(**sweep_members(sweep))


def sweep_members(sweep: SweepState) -> dict[str, Any]:
    """Return the members that a sweep and its table share."""
    record = sweep.record
    return {
        "id": record.id,
        "container_image": record.image,
        "simulation": record.simulation,
        "metadata": record.meta,
        "created_at": record.created_at,
        "cancelled_at": record.cancel_requested_at,
        "finished_at": record.finished_at,
        "points": record.total,
        "by_status": {state: sweep.by_state.get(state, 0) for state in JobStatus},
        "is_finished": record.finished_at is not None,
        "progress": sweep.ended / record.total,
        "link": f"{API}/sweeps/{record.id}",
    }


def present_point(job: JobRecord) -> SweepRow:
    """Return one row of a sweep's table."""
    metrics = _finite((job.result_manifest or {}).get("metrics", {}))[0] if job.result_manifest is not None else None
    return SweepRow(
        index=job.sweep_index or 0,
        job_id=job.id,
        status=job.state,
        reason=job.reason,
        message=describe_state(job),
        params=job.params,
        metrics=metrics,
    )


def present_artifact(job_id: UUID, file: Artifact) -> ArtifactOut:
    """Return one file of a job."""
    return ArtifactOut(
        name=file.name,
        media_type=file.media_type,
        size=file.size,
        sha256=file.sha256,
        is_stored=file.is_stored,
        link=f"{API}/jobs/{job_id}/artifacts/{quote(file.name, safe='')}",
    )


def present_simulation(simulation: Simulation) -> SimulationOut:
    """Return a simulation with its parameter schema, and what its results mean."""
    schema = simulation.params_model.model_json_schema()
    properties = schema.get("properties", {})
    for member in properties.values():
        if member.get("format") == HEAT_PROBLEM:
            member["schema"] = f"{API}/problems/schema"
    defaults = {name: member["default"] for name, member in properties.items() if "default" in member}
    guide = guide_of(simulation)
    return SimulationOut(
        **summarise(simulation).model_dump(),
        description=simulation.description,
        parameters=schema,
        defaults=defaults,
        files=list(simulation.files),
        metrics=[MetricGuideOut(**asdict(one)) for one in guide.metrics],
        fields=[FieldGuideOut(**asdict(one)) for one in guide.fields],
        examples=[ExampleOut(**asdict(one)) for one in guide.examples],
    )


def present_column(column: SeriesColumn) -> SeriesColumnOut:
    """Return one quantity over time, null for what is not finite."""
    values = [value if value is not None and math.isfinite(value) else None for value in column.values]
    return SeriesColumnOut(name=column.name, title=column.title, unit=column.unit, values=values)


def present_axis(axis: FieldAxis) -> FieldAxisOut:
    """Return one axis of a field."""
    return FieldAxisOut(**{**asdict(axis), "values": None if axis.values is None else list(axis.values)})


def summarise(simulation: Simulation) -> SimulationSummary:
    """Return one line of the list."""
    return SimulationSummary(
        name=simulation.name,
        title=simulation.title,
        numerics_version=simulation.numerics_version,
        link=f"{API}/simulations/{simulation.name}",
    )


def _links(job_id: UUID, sweep_id: UUID | None) -> JobLinks:
    job = f"{API}/jobs/{job_id}"
    return JobLinks(
        self=job,
        logs=f"{job}/logs",
        log_stream=f"{job}/logs/stream",
        artifacts=f"{job}/artifacts",
        result=f"{job}/result",
        sweep=f"{API}/sweeps/{sweep_id}" if sweep_id is not None else None,
    )


def _present_audit(audit: Mapping[str, Any]) -> AuditOut:
    return AuditOut(**make_storable_audit(audit))


def _finite(metrics: Mapping[str, MetricValue]) -> tuple[dict[str, MetricValue], list[str]]:
    """Return metrics with null for what is not finite, and the names of those.

    What an earlier version stored may hold text that no answer can.
    """
    lost = [name for name, value in metrics.items() if isinstance(value, float) and not math.isfinite(value)]
    return storable_scalars(metrics), [storable_text(name, MOST_NAME) for name in lost]
