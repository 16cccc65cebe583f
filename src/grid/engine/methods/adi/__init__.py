"""Alternating directions."""
