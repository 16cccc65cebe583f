"""Exact modes of a box under a source of place and time."""
