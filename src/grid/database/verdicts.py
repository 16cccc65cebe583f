"""The verdict of audits as an expression of both databases: `grid.schemas.jobs.judge_result`, row by row."""

from sqlalchemy import ColumnElement, case, func, literal_column, null, select
from sqlalchemy.dialects.postgresql import JSONB

from grid.database.base import DatabaseKind
from grid.database.jobs import jobs
from grid.schemas.jobs import JobStatus, JobVerdict, Reason


def find_verdict(kind: DatabaseKind) -> ColumnElement[str | None]:
    """Return the verdict of each row of `jobs`, null where it has none."""
    return case(
        (jobs.c.reason == Reason.DIVERGED, JobVerdict.FAILED.value),
        (jobs.c.state != JobStatus.SUCCESS, null()),
        (_has_audit(kind, JobVerdict.FAILED), JobVerdict.FAILED.value),
        (_has_audit(kind, JobVerdict.PASSED), JobVerdict.PASSED.value),
        else_=JobVerdict.NOT_APPLICABLE.value,
    )


def _has_audit(kind: DatabaseKind, verdict: JobVerdict) -> ColumnElement[bool]:
    """Return the condition that an audit of the result has this verdict."""
    if kind == "postgresql":
        return jobs.c.result_manifest.cast(JSONB).contains({"audits": [{"verdict": verdict.value}]})
    audit = func.json_each(jobs.c.result_manifest, literal_column("'$.audits'")).table_valued("value", name="audit")
    found = func.json_extract(audit.c.value, literal_column("'$.verdict'")) == verdict.value
    return select(1).select_from(audit).where(found).exists()
