"""Lumped models: one temperature for a body, networks of such, error bounds, and the choice of the model.

Nothing here is loaded by `import grid.engine`; SciPy comes with the first run.
"""
