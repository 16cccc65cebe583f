"""How a sweep's points are shown on a terminal."""

import io
from uuid import uuid4

from rich.console import Console

from grid.cli.sweeps import rows_view
from grid.schemas.wire import SweepRow


def row(index, *, status="success", reason="ok", message="", metrics=None, **params):
    return SweepRow(
        index=index, job_id=uuid4(), status=status, reason=reason, message=message, params=params, metrics=metrics
    )


def shown(points):
    out = io.StringIO()
    Console(file=out, width=160, highlight=False).print(rows_view(points, title="points"))
    return out.getvalue()


def test_a_failed_point_says_why_beside_the_metrics_of_the_others():
    text = shown([
        row(0, metrics={"peak": 1.5}, length=1.0, same=3),
        row(1, status="failed", reason="diverged", message="The audit finite failed.", length=2.0, same=3),
    ])  # fmt: skip

    assert "The audit finite failed." in text
    assert "diverged" in text
    assert "1.5" in text
    assert "same" not in text


def test_points_that_all_succeeded_need_no_column_for_why():
    assert "why" not in shown([row(0, metrics={"peak": 1.0}, length=1.0)])


def test_what_varies_in_a_nested_problem_has_a_column_of_its_own():
    points = [row(place, problem={"material": {"conductivity": 10.0 * place, "density": 1.0}}) for place in (1, 2)]
    text = shown(points)

    assert "problem.material.conductivity" in text
    assert "density" not in text
