"""Execution of a plan: choice of the method, loop in time, steady states, checkpoints, error of space."""
