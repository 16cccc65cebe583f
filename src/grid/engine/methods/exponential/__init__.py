"""The exponential method: one step from asked time to asked time."""
