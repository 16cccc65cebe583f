"""Carrying a plan out: choosing, the loop in time, steady states, checkpoints, error of space."""
