"""Verification of published cases."""
