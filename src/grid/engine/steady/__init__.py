"""Steady states: loose parts, pinned levels, iteration and bounds."""
