"""Structures: thermal stress, margins to yield, plasticity and fatigue.

    from grid.engine.structural.stress import solve_stress
    from grid.engine.structural.fatigue import UniversalSlopes

Nothing here is loaded by `import grid.engine`; SciPy, Numba and PyAMG come with the first computation that needs them.
"""
