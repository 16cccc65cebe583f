"""Modes that loads drive, loads linear in time between knots: shared by the modal and the Krylov method."""
