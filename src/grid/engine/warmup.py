"""Compile, or load from the cache, the kernels that jobs use."""


def warm(serial: bool = True) -> None:
    """Run the kernels that jobs use once on tiny problems; some 15 s where nothing is in the cache yet.

    The tiled kernels of homogeneous bodies in 3D and of unequal spacings are left to the first problem that needs them.

    Args:
        serial: Only the kernels of one thread; False adds the parallel ones.
    """
    from dataclasses import replace

    from grid.engine.boundaries import Temperature
    from grid.engine.explicit import ExplicitStepper
    from grid.engine.marching import make_start, make_stepper
    from grid.engine.planning import prepare
    from grid.engine.problem import Domain, HeatProblem, Material
    from grid.engine.values import Constant, Expression, Value

    one = Constant(1.0)
    uniform: list[tuple[int, Value]] = [(1, one), (2, one)]
    varying: list[tuple[int, Value]] = [(dimension, Expression("1 + x")) for dimension in (1, 2, 3)]
    for dimension, conductivity in uniform + varying:
        problem = HeatProblem(
            domain=Domain((1.0,) * dimension, (4,) * dimension),
            materials=(Material((conductivity,), one),),
            initial=one,
            boundaries={"x_min": Temperature(one)},
            end_time=0.01,
            steps=1,
        )
        for method in ("explicit", "implicit"):
            prepare(problem, method=method).solve()
        plan = prepare(problem, method="explicit")
        stepper = make_stepper(plan)
        if not serial and isinstance(stepper, ExplicitStepper):
            stepper = replace(stepper, is_parallel=True)
            stepper.advance(make_start(plan), stepper.make_segment(0.0, 0.01), 0, 1)
