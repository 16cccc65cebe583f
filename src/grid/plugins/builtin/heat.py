"""`heat`: heat on a grid by finite volumes, in 1D, 2D and 3D; a problem in the case format, solved by `grid.engine`."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from grid.core.errors import FieldError, InputError, NumericsError
from grid.plugins.builtin.guides import HEAT
from grid.plugins.builtin.heat_params import HeatParams
from grid.plugins.builtin.heat_problem import find_model, find_times, hash_fields, make_plan, read_problem
from grid.plugins.numerics import numerics_version
from grid.schemas.jobs import Audit, JsonObject, Reason
from grid.schemas.results import ResultsGuide
from grid.schemas.simulations import BatchResult, Estimate, PointOutcome, Progress

if TYPE_CHECKING:
    import numpy as np

    from grid.engine import Plan, Solution
    from grid.schemas.fields import RecordField, StoredRecord
    from grid.schemas.results import SeriesColumn

_SNAPSHOTS = 16  # fields that a record keeps, at most: enough for a picture of place and time
_SNAPSHOT_CELLS = 1_000_000  # cells of all snapshots together: a record stays small enough to be kept for every job
_SUMMARY_BYTES = 8192  # of JSON in the record: plan, metrics, audits; `_fill` refuses a longer one
_TOLD_SWITCHES = 100  # changes of model that the log names, of a run that may have thousands
_WARNINGS, _WARNING_LENGTH = 8, 300  # warnings that a record keeps, and characters of each
_LARGE_CELLS = 100_000  # from here on the engine's kernels use threads
_COMPILER_BYTES = 400 << 20  # [B] of a process that compiles, after which a new one goes on: LLVM gives back nothing
_LARGE_S = 5.0  # [s] of one core; a longer job gets a slot with threads
_STORED_BYTES_PER_S = 1.5e8  # [B/s] of records, to the disk
_POINT_S = 2e-3  # [s] of a point beside its steps: discretising, auditing


class Heat:
    """The simulation `heat`."""

    name = "heat"
    title = "Heat conduction on a grid"
    description = (
        "Solves rho c dT/dt = div(K grad T) + q on a box by finite volumes, cell-centred, in 1D, 2D or 3D, with "
        "temperature, flux, convection, radiation, insulated and periodic faces and materials that vary in place and "
        "with temperature. The method is chosen by its cost; on request the lumped model runs while its certificate "
        "allows. Every run is audited: finite, energy balance, maximum principle, step error, error of the model."
    )
    params_model: type[BaseModel] = HeatParams
    numerics_version = numerics_version(
        (
            "engine",
            "plugins/builtin/heat.py",
            "plugins/builtin/heat_files.py",
            "plugins/builtin/heat_params.py",
            "plugins/builtin/heat_problem.py",
        ),
        ("numpy", "scipy", "numba"),
    )
    files: tuple[str, ...] = ("result.csv", "meta.json", "simulation_results.png", "temperature_field.npy")

    def estimate(self, params: BaseModel) -> Estimate:
        """Price one point; allocates no field.

        Raises:
            UnsupportedError: The problem is valid and beyond this version.
            InvalidFieldsError, FieldError: It cannot be solved as asked, or its materials are seen to overlap or to
                leave a part of the body out; fields begin with `problem`.
        """
        from grid.engine import estimate
        from grid.engine.space.regions import require_covered

        heat = cast("HeatParams", params)
        problem = read_problem(heat)
        try:
            require_covered(problem)
            price = estimate(
                problem,
                method=heat.method,
                times=find_times(heat, problem),
                tolerance=heat.tolerance,
                model=find_model(heat),
            )
        except FieldError as error:
            raise _named(error) from error
        record = 8 * price.cells + 4 * _count_snapshots(price.cells, heat.outputs + 1) * price.cells + _SUMMARY_BYTES
        work_s = _POINT_S + price.work_s + record / _STORED_BYTES_PER_S
        is_large = price.cells >= _LARGE_CELLS or work_s >= _LARGE_S
        return Estimate(
            memory_bytes=price.memory_bytes + 3 * record,
            cell_steps=float(price.cells) * price.steps,
            output_bytes=price.output_bytes + 1_000_000,
            work_s=work_s,
            slot="large" if is_large else "small",
        )

    def batch_key(self, params: BaseModel) -> str:  # noqa: ARG002 - the protocol's
        """All problems go together: they are solved one after the other, whatever varies."""
        return "heat"

    def warm_up(self) -> None:
        """Compile, or load from the cache, the kernels of one thread."""
        from grid.engine import warm

        warm(serial=True)

    def is_cold(self) -> bool:
        """Whether these are not in the cache of this machine and version."""
        from grid.engine import is_warm

        return not is_warm()

    def needs_compiling(self) -> bool:
        """Whether the cache of this machine and version lacks kernels."""
        from grid.engine import find_missing

        return bool(find_missing())

    def compile_ahead(self) -> None:
        """Compile kernels into the cache, until all are there or the process has grown large."""
        from grid.engine import compile_ahead

        compile_ahead(most_bytes=_COMPILER_BYTES)

    def needs_calibration(self) -> bool:
        """Tell whether this machine was not measured yet, and may be."""
        from grid.engine.costs.calibration import is_missing

        return is_missing()

    def calibrate(self) -> None:
        """Measure how fast this machine is, for choosing methods."""
        from grid.engine.costs.calibration import find_folder, measure, save

        folder = find_folder()
        if folder is not None:
            save(measure(), folder)

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        """Solve problems, one after the other."""
        import numpy as np

        from grid.engine.linear.factor_sharing import share_factors

        heats = [cast("HeatParams", point) for point in points]
        outcomes: list[PointOutcome] = []
        rows: dict[int, np.ndarray[Any, Any]] = {}
        with share_factors():  # points that differ in their loads alone have one matrix
            for index, heat in enumerate(heats):
                outcome, solution = self._solve_one(heat, _Watch(progress, index, len(heats)))
                outcomes.append(outcome)
                if solution is not None:
                    rows[index] = np.zeros(1, dtype=_record_dtype(solution))
                    _fill(rows[index], solution, outcome)
        progress(1.0)
        empty = np.zeros(1, dtype=next(iter(rows.values())).dtype if rows else [("empty", "<i8")])
        return BatchResult(outcomes, [rows.get(index, empty)[0] for index in range(len(heats))])

    def _solve_one(self, heat: HeatParams, watch: "_Watch") -> tuple[PointOutcome, "Solution | None"]:
        from grid.engine import CancelledError

        try:
            plan = make_plan(heat)
            solution = plan.solve(watch.on_step)
        except CancelledError:
            return PointOutcome(Reason.CANCELLED_BY_USER), None
        except MemoryError:
            return PointOutcome(Reason.OOM, Reason.OOM.sentence), None
        except NumericsError as error:
            return PointOutcome(Reason.DIVERGED, str(error) or error.title), None
        except InputError as error:  # what only the grid can tell: a conductivity that is negative somewhere, say
            return PointOutcome(Reason.NONZERO_EXIT, f"The problem was refused: {error}"), None
        outcome = _judge(plan, solution)
        return outcome, solution if outcome.reason is Reason.OK else None

    def render(self, names: Sequence[str], params: BaseModel, record: "np.void", folder: Path) -> str | None:
        """Write files of one problem; only the field is solved for again."""
        from grid.plugins.builtin import heat_files

        return heat_files.render(names, cast("HeatParams", params), record, folder, self.numerics_version)

    def describe_fields(self, params: BaseModel, record: "StoredRecord") -> "Sequence[RecordField]":
        """Return the temperature of the body."""
        from grid.plugins.builtin.heat_fields import describe_fields

        return describe_fields(cast("HeatParams", params), record)

    def describe_results(self) -> ResultsGuide:
        """Return metrics, the field and examples."""
        return HEAT

    def describe_series(self, params: BaseModel, record: "StoredRecord") -> "Sequence[SeriesColumn]":
        """Return the course that the record holds."""
        from grid.plugins.builtin.heat_series import describe_series

        return describe_series(cast("HeatParams", params), record)


class _Watch:
    """Passes the progress of one problem on, and stops it when it is left out."""

    def __init__(self, progress: Progress, index: int, count: int) -> None:
        self._progress, self._index, self._count = progress, index, count

    def on_step(self, fraction: float, _step: int, _time_s: float) -> bool:
        return self._index not in self._progress((self._index + min(fraction, 1.0)) / self._count)


def _named(error: FieldError) -> FieldError:
    return FieldError("problem" if error.field == "case" else f"problem.{error.field}", error.limit)


def _count_snapshots(cells: int, times: int) -> int:
    return max(1, min(_SNAPSHOTS, times, _SNAPSHOT_CELLS // cells))


def _record_dtype(solution: "Solution") -> "np.dtype[np.void]":
    import numpy as np

    times, shape = len(solution.times), solution.final.shape
    kept = _count_snapshots(solution.final.size, times)
    return np.dtype(
        [
            ("final", "<f8", shape),
            ("snapshots", "<f4", (kept, *shape)),
            ("snapshot_index", "<i8", (kept,)),
            ("series", "<f8", (4, times)),  # time, mean, largest, smallest
            ("summary", f"S{_SUMMARY_BYTES}"),  # JSON: plan, metrics, audits
        ]
    )


def _fill(row: "np.ndarray[Any, Any]", solution: "Solution", outcome: PointOutcome) -> None:
    import numpy as np

    fields, times = solution.snapshots, len(solution.times)
    kept = row["snapshot_index"].shape[1]
    index = np.round(np.linspace(0, times - 1, kept)).astype(np.int64) if kept > 1 else np.array([times - 1])
    row["final"][0] = solution.final
    row["snapshot_index"][0] = index
    for place, at in enumerate(index.tolist()):
        row["snapshots"][0, place] = fields[at]
    row["series"][0] = (
        solution.times,
        [solution.mean_temperature(time) for time in solution.times],
        [field.max() for field in fields],
        [field.min() for field in fields],
    )
    summary = {"plan": _describe_plan(solution), "metrics": dict(outcome.metrics), "audits": list(outcome.audits)}
    text = json.dumps(summary, allow_nan=False).encode()
    if len(text) > _SUMMARY_BYTES:
        raise RuntimeError("the summary of a solution outgrew its place in the record")
    row["summary"][0] = text


def _describe_plan(solution: "Solution") -> JsonObject:
    plan = solution.plan
    described: JsonObject = {"method": plan.method, "reason": plan.reason, "time_step_s": plan.time_step}
    described["model"] = plan.model
    # those of the plan alone, so that equal points give equal records: a run that is slow is told in the job's log
    described["warnings"] = [warning[:_WARNING_LENGTH] for warning in plan.warnings[:_WARNINGS]]
    if (certificate := solution.certificate) is not None:
        described["certificate"] = {
            "name": certificate.name,
            "bound": _finite(certificate.bound),
            "estimate": _finite(certificate.estimate),
            "is_rigorous": certificate.is_rigorous,
            "biot_number": certificate.biot_number,
            "internal_resistance_phi": certificate.internal_resistance_phi,
        }
    return described


def _judge(plan: "Plan", solution: "Solution") -> PointOutcome:
    from grid.engine.results.views import surface_metrics

    audits = [
        Audit(
            name=audit.name,
            verdict=audit.verdict,
            value=_finite(audit.value),
            limit=_finite(audit.limit),
            detail=audit.detail,
        )
        for audit in solution.audits
    ]
    log = f"heat: {plan.summary.method}, because: {plan.summary.reason}\n"
    for switch in solution.models.switches[:_TOLD_SWITCHES]:
        log += (
            f"heat: {switch.model} from t = {switch.time:.6g} s, because {switch.reason} ({switch.bound:.3g} of it)\n"
        )
    for warning in solution.warnings:
        log += f"heat: warning: {warning}\n"
    for audit in audits:
        if audit["verdict"] == "failed":
            message = f"The audit {audit['name']} failed: {audit['detail']}: {audit['value']}, limit {audit['limit']}."
            return PointOutcome(Reason.DIVERGED, message, audits=audits, log=log)
    figures = {**solution.metrics, **surface_metrics(solution)}
    metrics = {name: _finite(float(value)) for name, value in figures.items()}
    return PointOutcome(
        Reason.OK,
        metrics={**metrics, "method": plan.summary.method, "model": plan.summary.model},
        audits=audits,
        field_sha256=hash_fields(solution),
        log=log,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
