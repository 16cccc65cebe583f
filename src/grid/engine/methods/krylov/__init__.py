"""The shift-and-invert Krylov method."""
