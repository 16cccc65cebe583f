"""What loads that depend on time do over a run, known before it: switches, longest steps, signals."""
