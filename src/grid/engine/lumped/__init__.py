"""Lumped models: one temperature for a body, networks of such, their error bounds, and when to leave them.

Nothing here is loaded by `import grid.engine`; SciPy comes with the first run.
"""
