"""Compile, or load from the cache, the kernels that jobs use."""


def warm(serial: bool = True) -> None:
    """Run every kernel of the engine once on a tiny problem.

    Args:
        serial: Only the kernels of one thread; False adds the parallel ones.
    """
    from dataclasses import replace

    from grid.engine.boundaries import Temperature
    from grid.engine.explicit import ExplicitStepper
    from grid.engine.marching import make_stepper
    from grid.engine.planning import prepare
    from grid.engine.problem import Domain, HeatProblem, Material
    from grid.engine.state import Bounds, Ledger, State
    from grid.engine.values import Constant

    one = Constant(1.0)
    for dimension in (1, 2, 3):
        problem = HeatProblem(
            domain=Domain((1.0,) * dimension, (4,) * dimension),
            materials=(Material((one,), one),),
            initial=one,
            boundaries={"x_min": Temperature(one)},
            end_time=0.01,
            steps=1,
        )
        for method in ("explicit", "implicit"):
            plan = prepare(problem, method=method)
            plan.solve()
        stepper = make_stepper(prepare(problem, method="explicit"))
        if not serial and isinstance(stepper, ExplicitStepper):
            stepper = replace(stepper, is_parallel=True)
            state = State(0.0, 0, stepper.space.initial_temperature(), Ledger(), Bounds(1.0, 1.0))
            stepper.advance(state, stepper.make_segment(0.0, 0.01), 0, 1)
