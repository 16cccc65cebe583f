"""OpenTelemetry: traces and metrics for a collector, where an operator names one. Nothing is imported before."""
