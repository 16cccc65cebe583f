"""Steady states: parts without a tie, pinned levels, iteration and bounds."""
