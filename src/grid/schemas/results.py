"""Results of a simulation, described for tables, charts and forms: metrics, fields, series, and example parameters.

Both protocols are optional; of a simulation without them nothing is guessed. `describe_results` is called in the server
and loads nothing; `describe_series` may load NumPy, never Numba or SciPy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from grid.schemas.fields import StoredRecord
from grid.schemas.jobs import JsonObject

Better = Literal["low", "high"]


@dataclass(frozen=True)
class MetricGuide:
    """A metric of a finished point.

    Args:
        name: As in the result.
        title: For people.
        unit: Of the number; None where it follows from the parameters, or the metric is a word.
        better: Which values are good; None where neither is.
    """

    name: str
    title: str
    unit: str | None = "1"
    better: Better | None = None


@dataclass(frozen=True)
class FieldGuide:
    """A field that records hold. `unit` is None where it follows from the parameters."""

    name: str
    title: str
    unit: str | None
    map: str


@dataclass(frozen=True)
class Example:
    """Parameters to begin with."""

    title: str
    params: JsonObject


@dataclass(frozen=True)
class ParameterGuide:
    """A parameter, described for tables and charts. `unit` is None where it is not known."""

    title: str
    unit: str | None


DescribeParameter = Callable[[Sequence[str | int], JsonObject], ParameterGuide | None]
FindMetricUnit = Callable[[str, JsonObject], str | None]


@dataclass(frozen=True)
class ResultsGuide:
    """Metrics and fields of a simulation, and examples.

    Args:
        metrics, fields, examples: As each says.
        describe_parameter: Describes what stands at a path of the parameters where their model leaves a part open, as
            the problem of `heat`; None where it does not know it.
        find_metric_unit: Finds the unit of a metric whose guide has none from the parameters; None where it has none.
    """

    metrics: tuple[MetricGuide, ...] = ()
    fields: tuple[FieldGuide, ...] = ()
    examples: tuple[Example, ...] = ()
    describe_parameter: DescribeParameter | None = None
    find_metric_unit: FindMetricUnit | None = None


@dataclass(frozen=True)
class SeriesColumn:
    """One quantity over the times that a record keeps.

    Args:
        name: Unique among the columns; the first column is `time`.
        title: For people.
        unit: Of the values.
        values: One for each time; None where there is none.
    """

    name: str
    title: str
    unit: str
    values: Sequence[float | None]


@runtime_checkable
class DescribesResults(Protocol):
    """A simulation that says what its results mean."""

    def describe_results(self) -> ResultsGuide:
        """Return metrics, fields and examples."""
        ...


@runtime_checkable
class DescribesSeries(Protocol):
    """A simulation whose records hold quantities over time."""

    def describe_series(self, params: BaseModel, record: StoredRecord) -> Sequence[SeriesColumn]:
        """Return columns of equal length from the record of one point, without solving."""
        ...


def guide_of(simulation: object) -> ResultsGuide:
    """Return what a simulation says of its results; an empty guide where it says nothing."""
    return simulation.describe_results() if isinstance(simulation, DescribesResults) else ResultsGuide()
