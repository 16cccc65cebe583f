"""Fatigue: cycles of a history, and life laws."""
