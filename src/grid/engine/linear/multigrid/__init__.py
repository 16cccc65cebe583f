"""Multigrid-preconditioned conjugate gradients on boxes."""
