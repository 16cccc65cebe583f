"""Streams of live runs: frames by credit, metrics by rate, events complete."""
