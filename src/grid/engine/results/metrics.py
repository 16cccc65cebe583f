"""Figures of every run, by the names of `Solution.metrics`."""

from typing import TypeVar

from grid.engine.values.operations import FloatArray

Figure = TypeVar("Figure", float, FloatArray)


def make_metrics(
    low: Figure, mean: Figure, high: Figure, stored: Figure, into: Figure, out: Figure, generated: float, steps: int,
    damped: int = 0, rejected: int = 0, iterations: int = 0,
) -> dict[str, Figure | float]:  # fmt: skip
    """The figures of one run, or of many columns at once where they are arrays, one entry for each column.

    Args:
        low, mean, high: Of the last field, the mean weighted with the heat capacity.
        stored: Heat at the end minus heat at the start [J].
        into, out, generated: Heat through the boundaries and from sources since the start [J].
        steps, damped, rejected: Steps, and how many of them were redone with damping or because of their error.
        iterations: Turns of all iterations.
    """
    return {
        "peak_temperature": high,
        "minimum_temperature": low,
        "mean_temperature": mean,
        "hottest_above_mean": high - mean,
        "stored_heat_change": stored,
        "heat_in": into,
        "heat_out": out,
        "heat_generated": generated,
        "heat_balance_residual": stored - (into - out + generated),
        "steps": float(steps),
        "damped_steps": float(damped),
        "rejected_steps": float(rejected),
        "iterations": float(iterations),
    }
