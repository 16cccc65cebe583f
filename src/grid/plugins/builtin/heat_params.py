"""The parameters of `heat`: a problem in the case format, the method, and how often the field is kept.

A problem is checked by the engine's own reader, so that the service, the command line and a notebook refuse the same
things in the same words. That loads NumPy, and only when a problem is read.
"""

import json
import math
import re
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from grid.core.errors import FieldError, InputError, InvalidFieldsError, UnsupportedError
from grid.plugins.builtin.parameters import Parameters, Whole, quantity

# Read from beside the methods, since importing `grid.engine` would load NumPy; `METHODS` there has the same names.
_METHODS = resources.files("grid").joinpath("engine", "methods", "names.json")
METHOD_NAMES: tuple[str, ...] = ("auto", *json.loads(_METHODS.read_text(encoding="ascii")))

if TYPE_CHECKING:
    from grid.engine import HeatProblem

    MethodName = str
else:
    MethodName = Literal[METHOD_NAMES]

MAX_DEPTH = 16  # levels: the deepest problem of the format has 7
MAX_ENTRIES = 50_000  # values in all, prose included: bounds the time and memory that reading and refusing take
MAX_TEXT = 20_000  # characters of a name or a text; an expression has 4,000 at most
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_PATH = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def require_plain_json(problem: dict[str, Any], *, most_entries: int = MAX_ENTRIES) -> None:
    """Refuse what no database should keep, whatever it means: depth, size, numbers that are not finite, lone halves.

    Args:
        problem: JSON that somebody has sent.
        most_entries: Values in all.

    Raises:
        FieldError: With a path of `problem`; the first trouble only.
    """
    stack: list[tuple[Any, int]] = [(problem, 1)]
    seen = 0
    while stack:
        value, depth = stack.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise FieldError("", f"at most {MAX_DEPTH} levels deep")
        if seen > most_entries:
            raise FieldError("", f"at most {most_entries} entries in all")
        if isinstance(value, dict):
            for name in value:
                _require_text(name)
            stack += [(entry, depth + 1) for entry in value.values()]
        elif isinstance(value, list):
            stack += [(entry, depth + 1) for entry in value]
        else:
            _require_scalar(value)


def _require_scalar(value: object) -> None:
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise FieldError("", "every number finite")
    elif isinstance(value, int):
        if abs(value) > 10**300:
            raise FieldError("", "every number within a double")
    elif value is not None:
        raise FieldError("", "made of JSON values only")


def _require_text(text: object) -> None:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise FieldError("", f"texts of at most {MAX_TEXT} characters")
    if _UNSTORABLE.search(text):
        raise FieldError("", "texts without NUL and without halves of characters")


class ReadProblem(dict[str, Any]):
    """A problem in the case format, beside the outcome of reading it: a process reads each problem once.

    `reading` is the engine's problem, or the error of one that is valid and beyond this version.
    """

    def __init__(self, problem: dict[str, Any], reading: "HeatProblem | UnsupportedError") -> None:
        super().__init__(problem)
        self.reading = reading


def require_problem(problem: dict[str, Any]) -> ReadProblem:
    """Return the problem as it is, with the engine's reading of it.

    Raises:
        ValidationError: One entry for each field that is missing, unknown or outside its limits. A problem that is
            valid and beyond this version passes here: pricing it raises `UnsupportedError`.
    """
    try:
        require_plain_json(problem)
        from grid.engine import HeatProblem

        return ReadProblem(problem, HeatProblem.from_case(problem))
    except UnsupportedError as error:
        return ReadProblem(problem, error.with_traceback(None))
    except (FieldError, InvalidFieldsError) as error:
        fields = error.errors if isinstance(error, InvalidFieldsError) else (error,)
        raise ValidationError.from_exception_data("problem", list(_details(fields))) from error
    except InputError as error:
        raise PydanticCustomError("problem", "{limit}", {"limit": str(error)}) from error


def _details(fields: tuple[FieldError, ...]) -> Iterator[InitErrorDetails]:
    for field in fields:
        # The reader calls the problem itself `case` or nothing; here that is the field `problem`.
        path = "" if field.field == "case" else field.field
        place = tuple(int(index) if index else name for name, index in _PATH.findall(path))
        # Only the limit is told, never the value.
        told = PydanticCustomError("problem", "{limit}", {"limit": field.limit})
        yield InitErrorDetails(type=told, loc=place, input=None)


Problem = Annotated[dict[str, Any], AfterValidator(require_problem)]


class HeatParams(Parameters):
    """Parameters of `heat`."""

    problem: Problem = Field(
        description="The problem in the case format (docs/case-format.md); expected answers and prose are ignored",
        title="Problem",
        json_schema_extra={"unit": "SI", "format": "heat-problem"},
    )
    method: MethodName = Field(
        "auto",
        description="How to step in time; auto takes the cheapest that can and says why",
        json_schema_extra={"unit": "1"},
    )
    model: Literal["as_posed", "diffusive", "lumped", "corrected", "auto"] = Field(
        "as_posed",
        description=(
            "diffusive: the grid; lumped: one temperature, Newton's law of cooling; corrected: the same with the "
            "resistance of the body; auto: lumped while its certificate allows; as_posed: auto where the problem is "
            "adaptive, else diffusive"
        ),
        json_schema_extra={"unit": "1"},
    )
    tolerance: float = quantity(
        1e-4,
        unit="1",
        low=1e-10,
        high=0.1,
        title="Tolerance in time",
        scale="log",
        description="Error in time at the kept fields, over the span of temperatures",
    )
    model_tolerance: float = quantity(
        0.05,
        unit="1",
        low=1e-6,
        high=1.0,
        title="Tolerance of the model",
        scale="log",
        description="Expected error of the lumped model, over the same span",
    )
    outputs: Whole = quantity(
        20, unit="1", low=1, high=1000, title="Outputs", description="Equal intervals, at whose ends the field is kept"
    )
