"""Sweeps as tables for analysis."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grid.schemas.paths import flatten
from grid.schemas.wire import SweepRow

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # it ships no types


def to_dataframe(rows: "Iterable[SweepRow]") -> "pd.DataFrame":
    """Return points as a pandas table, a row for each by its place in the sweep.

    Columns: `job_id`, `status`, `reason`, `message`, then `params.NAME` (nested ones with dots) and `metrics.NAME`;
    a point without a result has no metrics (NaN).
    """
    import pandas as pd

    points = list(rows)
    records = [
        {
            "job_id": str(row.job_id),
            "status": str(row.status),
            "reason": str(row.reason) if row.reason is not None else None,
            "message": row.message,
            **{f"params.{name}": value for name, value in flatten(row.params)},
            **{f"metrics.{name}": value for name, value in (row.metrics or {}).items()},
        }
        for row in points
    ]
    return pd.DataFrame.from_records(records, index=pd.Index([row.index for row in points], name="point"))
