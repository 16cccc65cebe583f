"""Fatigue: cycles of a history, and laws of life."""
