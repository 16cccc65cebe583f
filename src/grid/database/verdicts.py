"""The verdict of audits as an expression of both databases: `grid.schemas.jobs.judge_result`, row by row."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Text, and_, case, func, literal_column, not_, null, or_, select, type_coerce
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


def has_verdict(kind: DatabaseKind, verdicts: Sequence[JobVerdict]) -> ColumnElement[bool]:
    """Return the condition that the verdict of a row of `jobs` is one of these; no audit is read that cannot decide."""
    failed, passed = (_has_audit(kind, verdict) for verdict in (JobVerdict.FAILED, JobVerdict.PASSED))
    succeeded = jobs.c.state == JobStatus.SUCCESS
    conditions = {
        JobVerdict.FAILED: or_(jobs.c.reason == Reason.DIVERGED, and_(succeeded, failed)),
        JobVerdict.PASSED: and_(succeeded, not_(failed), passed),
        JobVerdict.NOT_APPLICABLE: and_(succeeded, not_(failed), not_(passed)),
    }
    return or_(*(conditions[verdict] for verdict in verdicts))


def _has_audit(kind: DatabaseKind, verdict: JobVerdict) -> ColumnElement[bool]:
    """Return the condition that an audit of the result has this verdict."""
    if kind == "postgresql":
        return jobs.c.result_manifest.cast(JSONB).contains({"audits": [{"verdict": verdict.value}]})
    # Most results hold the word nowhere, which is seen before their audits are read one by one.
    has_word = func.instr(type_coerce(jobs.c.result_manifest, Text), f'"{verdict.value}"') > 0
    audit = func.json_each(jobs.c.result_manifest, literal_column("'$.audits'")).table_valued("value", name="audit")
    found = func.json_extract(audit.c.value, literal_column("'$.verdict'")) == verdict.value
    return and_(has_word, select(1).select_from(audit).where(found).exists())
