"""Live runs in their own process: when a tick is due, and the frames that viewers get."""
