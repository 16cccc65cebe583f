"""Padded grids and their vector code, shared by methods."""
