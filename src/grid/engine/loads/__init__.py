"""Time-dependent loads of a run, analysed before it: switches, longest steps, signals."""
