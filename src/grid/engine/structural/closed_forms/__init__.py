"""Stresses in closed form."""
