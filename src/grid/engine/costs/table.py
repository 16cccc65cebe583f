"""Constants of the cost model: seconds of each operation of a run, and the group by which a machine scales it.

A method counts its operations (`Work`); `price` converts them to seconds. The constants are
fitted to measured runs of random problems by `python -m benchmarks.engineers --only estimates --fit`, which prints this
table (docs/performance.md). They are seconds on one core of an AMD EPYC (Zen 4, 3.6 GHz); on another machine a
calibration scales each group of operations (`grid.engine.costs.calibration`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from grid.engine.costs.calibration import REFERENCE, Calibration

Work = Mapping[str, float]  # number of times that each operation of the table is carried out


class Operation(NamedTuple):
    """Seconds of one operation, and its group in a calibration."""

    seconds: float
    group: str


TABLE: dict[str, Operation] = {
    # every run: reading and discretising, for each side of the body, each cell, each region and its cells, each load
    # that changes; a rule of points for each word of a source of place; a field that is kept
    "plan": Operation(4.9e-4, "call"),
    "plan_side": Operation(4.1e-4, "call"),
    "plan_region": Operation(1.5e-4, "call"),
    "plan_load": Operation(5.5e-4, "call"),
    "source_rule": Operation(3.2e-5, "call"),
    "source_line": Operation(1.9e-4, "call"),
    "output": Operation(1.8e-5, "call"),
    "plan_cell": Operation(1.8e-8, "array"),
    "plan_region_cell": Operation(1.5e-8, "array"),
    "source_rule_cell": Operation(1.6e-10, "array"),
    "output_cell": Operation(9.3e-9, "array"),
    # linear solvers: a factorisation by the cells of a body and of a cut, by SuperLU or by own Cholesky factors; a
    # solve by the entries of its factors, which cost more beyond the nearer caches
    "solve": Operation(3.5e-6, "call"),
    "tridiagonal": Operation(1.2e-5, "call"),
    "multigrid": Operation(2e-3, "call"),
    "cycle": Operation(2e-4, "call"),
    "factor": Operation(1e-4, "sparse"),
    "factor_cell": Operation(2e-7, "sparse"),
    "factor_cell_cut": Operation(1.25e-7, "sparse"),
    "factor_cut": Operation(1.4e-9, "sparse"),
    "cholesky": Operation(2e-4, "sparse"),
    "cholesky_cell": Operation(5e-8, "sparse"),
    "cholesky_cell_cut": Operation(7.5e-8, "sparse"),
    "cholesky_cut": Operation(4.8e-10, "sparse"),
    "cholesky_spilled": Operation(1.2e-9, "memory"),
    "cholesky_entry": Operation(3.5e-10, "sparse"),
    "solve_entry": Operation(3.2e-9, "sparse"),
    "solve_cell": Operation(2e-8, "sparse"),
    "tridiagonal_cell": Operation(2.2e-9, "sparse"),
    "separable_cube": Operation(2e-9, "dense"),
    "separable_flop": Operation(7e-11, "dense"),
    "separable_cell": Operation(1e-7, "stencil"),
    "multigrid_cell": Operation(1.2e-7, "stencil"),
    "cycle_cell": Operation(2e-8, "stencil"),
    # explicit: a look at the run; a cell update for each dimension, and in a homogeneous box
    "report": Operation(1e-4, "call"),
    "loads": Operation(6e-5, "call"),
    "loads_cell": Operation(1e-8, "array"),
    "explicit_cell": Operation(1.6e-9, "stencil"),
    "tiled_cell_1d": Operation(5e-10, "stencil"),
    "tiled_cell_2d": Operation(5.5e-10, "stencil"),
    "tiled_cell_3d": Operation(1.3e-9, "stencil"),
    # exponential: a stop time; a product of the operator, its rows, and its cells within the last cache or beyond it
    "exponential": Operation(7.8e-4, "call"),
    "product": Operation(3e-7, "call"),
    "product_row": Operation(2e-8, "call"),
    "exponential_cell": Operation(4.3e-8, "array"),
    "product_cached_2d": Operation(5e-10, "stencil"),
    "product_cached_3d": Operation(9e-10, "stencil"),
    "product_spilled_2d": Operation(7.2e-10, "memory"),
    "product_spilled_3d": Operation(1.9e-9, "memory"),
    # spectral: a stop time; the modes of an axis with a film; transforms there and back, products of thin matrices
    "spectral": Operation(3e-4, "call"),
    "spectral_film": Operation(8e-8, "dense"),
    "thin_cell_mode": Operation(1e-10, "dense"),
    "transform_cell": Operation(1.6e-8, "transform"),
    # forced: before the run, a stop time, a time of the quadrature
    "forced": Operation(3e-2, "call"),
    "forced_landing": Operation(1.2e-3, "call"),
    "forced_time": Operation(1e-6, "call"),
    "forced_mean": Operation(1.5e-3, "call"),
    "forced_cell": Operation(1.2e-7, "array"),
    "forced_landing_cell": Operation(2e-8, "array"),
    "forced_whole_cell": Operation(1.5e-8, "array"),
    "forced_transform": Operation(1.5e-10, "dense"),
    "forced_time_axis": Operation(5e-11, "dense"),
    "forced_time_cell": Operation(1e-10, "dense"),
    "forced_whole_transform": Operation(2e-11, "dense"),
    # modes under loads: all modes of a body; stretches of the loads; heat booked at faces
    "modal": Operation(1.4e-3, "call"),
    "stretch": Operation(1.6e-6, "call"),
    "booked_face": Operation(3.6e-8, "call"),
    "modal_landing": Operation(2.1e-5, "call"),
    "stretch_mode": Operation(2.4e-9, "array"),
    "modal_cube": Operation(2.2e-10, "dense"),
    "modal_square": Operation(2.7e-8, "dense"),
    "booked_face_mode": Operation(7e-11, "dense"),
    "modal_landing_cell_mode": Operation(6.2e-10, "dense"),
    # krylov: a set of directions; cycles of multigrid, where loads are constant and where they change
    "krylov": Operation(4.3e-3, "call"),
    "cycle_fixed": Operation(1.5e-4, "call"),
    "driven_cycle_fixed": Operation(4.2e-4, "call"),
    "direction": Operation(1.2e-4, "call"),
    "landing": Operation(2.4e-4, "call"),
    "krylov_cell": Operation(8e-8, "stencil"),
    "cycle_cell_2d": Operation(1.4e-8, "stencil"),
    "cycle_cell_3d": Operation(2e-8, "stencil"),
    "driven_cycle_cell_2d": Operation(4e-8, "stencil"),
    "driven_cycle_cell_3d": Operation(2e-8, "stencil"),
    "direction_cell": Operation(2.5e-8, "array"),
    "field_cell": Operation(1e-9, "array"),
    "landing_cell": Operation(1e-8, "array"),
    "orthogonal_cell": Operation(1.2e-9, "array"),
    # adi: a step, with loads that change, and for each cell and axis
    "adi_step": Operation(4.2e-5, "call"),
    "adi_loads": Operation(5.7e-5, "call"),
    "adi_cell": Operation(2.3e-9, "stencil"),
    # rkl2: a super-step with its error; a stage where one function of temperature scales all conductivities, or not
    "super_step": Operation(3.2e-4, "call"),
    "stage": Operation(1.1e-5, "call"),
    "space_stage": Operation(5e-4, "call"),
    "stage_cell": Operation(2.6e-9, "stencil"),
    "space_stage_cell": Operation(3e-7, "array"),
    # implicit: a step, its loads, a matrix that is put together; a turn of Newton's method, compiled where cells melt
    # implicit where stages are corrected on the cells of a body: its lists, a step, for each side with a law and each
    # with one that is not linear, flows into cells, entries of factors, factors in 1D
    "compiled": Operation(2e-6, "array"),
    "compiled_step": Operation(8.1e-4, "call"),
    "compiled_patch": Operation(6.2e-5, "call"),
    "compiled_radiation": Operation(3.2e-4, "call"),
    "compiled_flow": Operation(1e-7, "array"),
    "compiled_entry": Operation(4.7e-10, "sparse"),
    "compiled_line": Operation(1e-6, "sparse"),
    "implicit_step": Operation(7.3e-5, "call"),
    "implicit_face": Operation(1.9e-4, "call"),
    "implicit_load": Operation(2.8e-4, "call"),
    "matrix": Operation(1.2e-4, "call"),
    "newton": Operation(3.8e-4, "call"),
    "newton_face": Operation(8.5e-5, "call"),
    "slopes": Operation(7.4e-4, "call"),
    "melting_turn": Operation(2.5e-4, "call"),
    "flow_turn": Operation(2.5e-4, "call"),
    "decision": Operation(1.5e-3, "call"),
    "implicit_cell": Operation(3.9e-7, "array"),
    "matrix_cell": Operation(3.5e-7, "array"),
    "newton_cell": Operation(1.6e-7, "array"),
    "slopes_cell": Operation(9.2e-7, "array"),
    "melting_cell": Operation(4e-7, "array"),
    "flow_turn_cell": Operation(2.5e-7, "array"),
    # live runs: a tick, a look at a cell, explicit steps with a source, stages of super-steps, stress and cycles
    "live_tick": Operation(6e-5, "call"),
    "live_stage": Operation(4e-6, "call"),
    "live_look_cell": Operation(1.5e-9, "stencil"),
    "live_step_cell_1d": Operation(1.2e-9, "stencil"),
    "live_step_cell_2d": Operation(6e-10, "stencil"),
    "live_step_cell_3d": Operation(1.7e-9, "stencil"),
    "live_stage_cell": Operation(6e-10, "stencil"),
    # implicit ticks: evaluations of the heat flow and of coefficients, corrections, and steps of a body that melts
    "live_flow": Operation(2.4e-5, "call"),
    "live_freeze": Operation(9.6e-4, "call"),
    "live_correction": Operation(5.7e-4, "call"),
    "live_melting": Operation(4e-4, "call"),
    "live_general": Operation(3.5e-4, "call"),
    "live_flow_cell": Operation(2.2e-8, "array"),
    "live_freeze_cell": Operation(3.7e-8, "array"),
    "live_cycle_cell": Operation(3.8e-8, "stencil"),
    "live_carry_cell": Operation(3.3e-8, "stencil"),
    "live_melting_cell": Operation(5.1e-7, "stencil"),
    "live_general_cell": Operation(8.6e-8, "array"),
    "live_structure": Operation(3.5e-4, "call"),
    "live_structure_cell": Operation(1.25e-8, "array"),
    # a steady state
    "steady": Operation(1.4e-3, "call"),
    "steady_cell": Operation(8.1e-8, "array"),
}


def price(work: Work, calibration: Calibration = REFERENCE) -> float:
    """Compute the seconds of some work on the machine of the cost model, or on one that was calibrated."""
    return sum(count * TABLE[name].seconds * calibration.factor(TABLE[name].group) for name, count in work.items())


def add(*parts: Work) -> dict[str, float]:
    """Add the operations of several works."""
    total: dict[str, float] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0.0) + count
    return total


def scale(work: Work, times: float) -> dict[str, float]:
    """Multiply a work by a number."""
    return {name: count * times for name, count in work.items()}
