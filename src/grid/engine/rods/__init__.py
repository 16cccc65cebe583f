"""Rods alone, without a plan."""
