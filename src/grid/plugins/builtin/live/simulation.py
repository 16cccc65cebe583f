"""`live`: a scenario, or the log of a live run, through a session from its begin to its end."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from grid.core.errors import InputError, NumericsError
from grid.plugins.builtin.guides import LIVE
from grid.plugins.builtin.live.inputs import LiveInput, read_input
from grid.plugins.builtin.live.params import LiveParams
from grid.plugins.numerics import numerics_version
from grid.schemas.jobs import Audit, JsonObject, Reason
from grid.schemas.results import ResultsGuide
from grid.schemas.scenarios import Expectation, Scenario
from grid.schemas.simulations import BatchResult, Estimate, PointOutcome, Progress

if TYPE_CHECKING:
    import numpy as np

    from grid.plugins.builtin.live.course import Course
    from grid.plugins.builtin.live.verdict import Verdict
    from grid.schemas.fields import RecordField, StoredRecord
    from grid.schemas.results import SeriesColumn

_DOCUMENT_BYTES = 200_000  # of a record beside its arrays, compressed; a guess on the safe side
_POINT_S = 0.1  # [s] of a point beside its ticks: scene, plan, first look
_CELL_S = 2e-6  # [s] of each cell then
_NOTE_S = 3e-5  # [s] of a tick, for keeping what it shows
_LARGE_CELLS, _LARGE_S = 100_000, 5.0  # from here on, a slot with threads
_BALANCE = 1e-10  # [-] largest residual of the heat balance
_TOLD = 50  # switches, and expectations that were missed, that a log names


class Live:
    """The simulation `live`."""

    name = "live"
    title = "Live scenario, or replay of a live run"
    description = (
        "Advances a body in ticks of fixed work while events act on it, as a live run does, but as fast as it goes: a "
        "scenario, which is held to the course that its closed forms say, or the log of a run, which is held to what "
        "was recorded of it and is identical, within tolerance, or different from a tick on. The result has the last "
        "field, the metrics of every tick, events, alerts, changes of model, and the log of itself."
    )
    params_model: type[BaseModel] = LiveParams
    numerics_version = numerics_version(
        (
            "engine",
            "plugins/builtin/live",
            "plugins/builtin/scenarios",
            "plugins/scenario_run.py",
            "schemas/live.py",
            "schemas/live_log.py",
        ),
        ("numpy", "scipy", "numba"),
    )
    files: tuple[str, ...] = (
        "result.csv", "events.ndjson", "log.ndjson", "meta.json", "simulation_results.png", "temperature.npy",
    )  # fmt: skip

    def __init__(self, scenarios: Sequence[Scenario] = ()) -> None:
        self._scenarios: Mapping[str, Scenario] = {one.name: one for one in scenarios}

    def use_scenarios(self, scenarios: Mapping[str, Scenario]) -> None:
        """Take up the scenarios that are installed; the registry says them once it knows all."""
        self._scenarios = MappingProxyType({**self._scenarios, **scenarios})

    def estimate(self, params: BaseModel) -> Estimate:
        """Price one point by the price of a tick; allocates no field.

        Raises:
            UnsupportedError: The engine does not compute the scene.
            FieldError, InvalidFieldsError: It cannot be computed as asked.
        """
        from grid.plugins.builtin.live.course import count_rows
        from grid.plugins.builtin.live.record import count_bytes

        given = self._read(params)
        cells, clock = given.scene.problem.domain.cell_count, given.clock
        level, rows = count_rows(given)
        record = count_bytes(cells, rows, level) + _DOCUMENT_BYTES
        work_s = _POINT_S + _CELL_S * cells + given.until * (clock.price + _NOTE_S)
        is_large = cells >= _LARGE_CELLS or work_s >= _LARGE_S
        return Estimate(
            memory_bytes=clock.memory_bytes + 3 * record,
            cell_steps=float(cells) * given.until * max(clock.stages or clock.steps, 1),
            output_bytes=record + 3 * 8 * rows * 20 + 1_000_000,
            work_s=work_s,
            slot="large" if is_large else "small",
        )

    def batch_key(self, params: BaseModel) -> str:  # noqa: ARG002 - the protocol's
        """All points go together: they are computed one after the other."""
        return "live"

    def warm_up(self) -> None:
        """Compile, or load from the cache, the kernels of one thread."""
        from grid.engine import warm

        warm(serial=True)

    def is_cold(self) -> bool:
        """Whether these are not in the cache of this machine and version."""
        from grid.engine import is_warm

        return not is_warm()

    def solve(self, points: Sequence[BaseModel], progress: Progress) -> BatchResult:
        """Compute points, one after the other."""
        import numpy as np

        outcomes: list[PointOutcome] = []
        rows: dict[int, np.void] = {}
        for index, point in enumerate(points):
            outcome, row = self._solve_one(point, _Watch(progress, index, len(points)))
            outcomes.append(outcome)
            if row is not None:
                rows[index] = row
        progress(1.0)
        empty = np.zeros(1, dtype=next(iter(rows.values())).dtype if rows else [("empty", "<i8")])[0]
        return BatchResult(outcomes, [rows.get(index, empty) for index in range(len(points))])

    def _solve_one(self, params: BaseModel, watch: "_Watch") -> tuple[PointOutcome, "np.void | None"]:
        from grid.engine import CancelledError
        from grid.plugins.builtin.live.course import run_course
        from grid.plugins.builtin.live.record import make_document, make_row
        from grid.plugins.builtin.live.verdict import judge

        try:
            given = self._read(params)
            course = run_course(given, watch.on_tick)
        except CancelledError:
            return PointOutcome(Reason.CANCELLED_BY_USER), None
        except MemoryError:
            return PointOutcome(Reason.OOM, Reason.OOM.sentence), None
        except NumericsError as error:
            return PointOutcome(Reason.DIVERGED, str(error) or error.title), None
        except InputError as error:  # what only the run can tell: a conductivity that is negative somewhere, say
            return PointOutcome(Reason.NONZERO_EXIT, f"The run was refused: {error}"), None
        verdict = None if given.record is None else judge(given.record, course)
        outcome = _make_outcome(given, course, verdict)
        document = make_document(given, course, verdict)
        document |= {"metrics": dict(outcome.metrics), "audits": list(outcome.audits)}
        return outcome, make_row(course, document)

    def _read(self, params: BaseModel) -> LiveInput:
        return read_input(cast("LiveParams", params), self._scenarios)

    def render(self, names: Sequence[str], params: BaseModel, record: "np.void", folder: Path) -> str | None:
        """Write files of one point, all of them from its record."""
        from grid.plugins.builtin.live import files

        files.render(names, cast("LiveParams", params), record, folder, self.numerics_version)
        return None

    def describe_fields(self, params: BaseModel, record: "StoredRecord") -> "Sequence[RecordField]":  # noqa: ARG002
        """Return the temperature at the end."""
        from grid.plugins.builtin.live.fields import describe_fields

        return describe_fields(record)

    def describe_results(self) -> ResultsGuide:
        """Return metrics, the field and examples."""
        return LIVE

    def describe_series(self, params: BaseModel, record: "StoredRecord") -> "Sequence[SeriesColumn]":  # noqa: ARG002
        """Return the course that the record holds."""
        from grid.plugins.builtin.live.series import describe_series

        return describe_series(record)


class _Watch:
    """Passes the progress of one point on, and stops it when it is left out."""

    def __init__(self, progress: Progress, index: int, count: int) -> None:
        self._progress, self._index, self._count = progress, index, count

    def on_tick(self, fraction: float) -> bool:
        """Tell the fraction done; False where the point is left out."""
        return self._index not in self._progress((self._index + min(fraction, 1.0)) / self._count)


def _make_outcome(given: LiveInput, course: "Course", verdict: "Verdict | None") -> PointOutcome:
    """The outcome of a run that came to its end; a failed audit does not take its result away."""
    session, summary = course.session, course.session.summary
    metrics: JsonObject = {"time_s": session.time, "ticks": session.tick, "method": session.clock.method}
    metrics |= {"model": summary.model, "lumped_ticks": session.state.model.lumped_ticks}
    metrics |= {name: value for name, value in summary.metrics().items() if name not in {"substeps", "is_lumped"}}
    metrics |= {"switches": course.counts.get("switch", 0), "alerts": _count_alerts(course)}
    audits = [
        Audit(name="finite", verdict="passed", value=None, limit=None, detail="every temperature is a finite number"),
        _judge_balance(summary.balance_residual),
    ]
    log = f"live: {session.tick} ticks of {session.clock.tick:g} s by {session.clock.method}: {given.clock.reason}\n"
    for one in session.state.model.switches[:_TOLD]:
        log += f"live: tick {one.tick}: {one.model}, {one.text}\n"
    if course.scenario is not None:
        found = course.scenario.found
        met = sum(expected.is_met(value) for expected, value in found)
        metrics |= {"expected": len(found), "met": met}
        audits += [_judge_expected(index, *each) for index, each in enumerate(found, start=1)]
        log += f"live: {met} of {len(found)} expectations are met, {len(course.scenario.beyond)} lie after the end\n"
    if verdict is not None:
        metrics |= {"verdict": verdict.word, "largest_difference": verdict.largest}
        metrics |= {"first_difference": None if verdict.first is None else verdict.first.tick}
        audits += verdict.audits
        log += f"live: {verdict.sentence}\n"
    clean = {name: _finite(value) for name, value in metrics.items()}
    return PointOutcome(Reason.OK, metrics=clean, audits=audits, field_sha256=session.hash(), log=log)


def _judge_balance(residual: float) -> Audit:
    return Audit(
        name="energy_balance",
        verdict="passed" if residual <= _BALANCE else "failed",  # not a number fails
        value=_finite(residual),
        limit=_BALANCE,
        detail="heat stored less heat moved, over the heat moved",
    )


def _judge_expected(index: int, expected: Expectation, found: float | str | None) -> Audit:
    at = f" at ({', '.join(f'{part:g}' for part in expected.at)}) m" if expected.at else ""
    asked = f"{expected.quantity} ({expected.measure}){at} at {expected.time_s:g} s"
    words = "never" if found is None else found if isinstance(found, str) else f"{found:.6g}"
    value = expected.value if isinstance(expected.value, str) else f"{expected.value:.6g}"
    return Audit(
        name=f"expected_{index:02d}_{expected.quantity}",
        verdict="passed" if expected.is_met(found) else "failed",
        value=found - expected.value if isinstance(found, float) and isinstance(expected.value, float) else None,
        limit=expected.tolerance,
        detail=f"{asked}: {words}, expected {value}; {expected.source}"[:1000],
    )


def _count_alerts(course: "Course") -> int:
    return sum(one["kind"] == "alert" and one["payload"]["to"] == "firing" for one in course.events)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
