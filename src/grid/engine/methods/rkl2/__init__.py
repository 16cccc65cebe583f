"""Stabilised explicit super-steps."""
