"""Temperatures of a rod over the results that its record keeps. Loads NumPy."""

import numpy as np

from grid.plugins.builtin.rod_params import RodParams
from grid.schemas.fields import StoredRecord
from grid.schemas.results import SeriesColumn


def describe_series(params: RodParams, record: StoredRecord) -> list[SeriesColumn]:
    """Return mean, extremes and centre; the last result is the final profile, the others are single-precision."""
    kept = {int(row): entry for entry, row in enumerate(record.read("snapshot_index")) if row < params.time_steps}
    rows = sorted(kept)  # rods with few results repeat them
    snapshots = record.read("snapshots")[[kept[row] for row in rows]].astype(np.float64)
    profiles = np.vstack([snapshots, record.read("final")[None, :]])
    times = params.end_time * np.array([*rows, params.time_steps], dtype=np.float64) / params.time_steps
    middle = profiles.shape[1] - 1
    columns = {
        "mean": ("Mean temperature", np.trapezoid(profiles, axis=1) / middle),
        "max": ("Largest temperature", profiles.max(axis=1)),
        "min": ("Least temperature", profiles.min(axis=1)),
        "centre": ("Temperature at the centre", (profiles[:, middle // 2] + profiles[:, (middle + 1) // 2]) / 2),
    }
    found = [SeriesColumn("time", "Time", "s", times.tolist())]
    return found + [SeriesColumn(name, title, "degC", values.tolist()) for name, (title, values) in columns.items()]
