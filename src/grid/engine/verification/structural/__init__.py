"""Verification of structural cases."""
