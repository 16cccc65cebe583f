"""Thermo-elasticity by finite elements on the cells."""
