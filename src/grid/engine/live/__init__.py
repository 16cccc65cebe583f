"""Runs in real time: ticks of fixed work, changes at their boundaries, and what each tick shows.

    scene = Scene(HeatProblem.from_case(case), structure=Structure(reference_temperature=293.15))
    clock = plan_clock(scene, tick=1 / 30)
    session = Session(scene, clock)
    session.apply(Burst(position=(0.4, 0.5), radius=0.02, power=2e4, duration=2.0))
    summary = session.advance(60)

Nothing here reads a clock, a file or a socket. A run is a function of its scene, its clock, its seed and the changes
with their ticks; see docs/theory/live.md.
"""
