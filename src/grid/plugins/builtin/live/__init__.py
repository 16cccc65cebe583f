"""The simulation `live`: a scenario, or the log of a live run, from its begin to its end without a pace."""

from grid.plugins.builtin.live.simulation import Live

__all__ = ["Live"]
