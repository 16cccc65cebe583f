"""Strength: yield criteria, plasticity, shakedown."""
