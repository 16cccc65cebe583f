"""The exponential method: one step from output time to output time."""
