"""Live runs of a worker: claimed, started, steered, resumed, and given back."""
