"""Arguments of the public functions: one of the wrong Python type is refused by name like any field of a case.

Python checks no annotation, and NumPy's message for a text in an array names neither the argument nor what it may be.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.limits import Limit, find_number

FloatArray = NDArray[np.float64]


def require_number(name: str, value: object, limit: Limit | None = None) -> float:
    """Return a finite number within its limit.

    Raises:
        FieldError: The value is not one.
    """
    number = find_number(value)
    if number is None or (limit is not None and not limit.allows(number)):
        raise FieldError(name, str(limit) if limit is not None else "a finite number")
    return number


def require_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return one of some words.

    Raises:
        FieldError: The value is another word, or no text.
    """
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise FieldError(name, f"one of {', '.join(choices)}")
    return value


def require_truth(name: str, value: object) -> bool:
    """Return True or False, of Python or NumPy.

    Raises:
        FieldError: The value is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise FieldError(name, "true or false")
    return bool(value)


def require_kind(name: str, value: object, kind: type | tuple[type, ...], told: str) -> None:
    """Refuse a value that is not of a class; the message gives the class as `told`.

    Raises:
        FieldError: The value is not of the class.
    """
    if not isinstance(value, kind):
        raise FieldError(name, told)


def require_list(name: str, value: object, told: str) -> None:
    """Refuse a value that is no list, tuple or array with rows.

    Raises:
        FieldError: The value is none of them.
    """
    if not isinstance(value, (list, tuple)) and not (isinstance(value, np.ndarray) and value.ndim):
        raise FieldError(name, told)


def require_function(name: str, value: object, told: str) -> None:
    """Refuse a value that cannot be called; None, for no function, passes.

    Raises:
        FieldError: The value cannot be called.
    """
    if value is not None and not callable(value):
        raise FieldError(name, told)


def require_path(name: str, value: object) -> None:
    """Refuse a value that names no file.

    Raises:
        FieldError: The value is neither a text nor a path.
    """
    name_of = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name_of, str) or "\0" in name_of:
        raise FieldError(name, "the path of a file")


def find_floats(value: object) -> FloatArray | None:
    """Return numbers as a new array of doubles; None for texts, objects or complex numbers."""
    try:
        found = np.asarray(value)
    except ValueError:  # rows of unequal lengths
        return None
    return np.array(found, np.float64) if found.dtype.kind in "fiub" and found.size else None


def require_floats(name: str, value: object, shapes: Iterable[tuple[int, ...]] = ()) -> FloatArray:
    """Return numbers as an array of doubles, of one of the shapes if any are named.

    Raises:
        FieldError: Not numbers, not finite, or of another shape.
    """
    shapes = tuple(shapes)
    found = find_floats(value)
    if found is None or not np.all(np.isfinite(found)) or (shapes and found.shape not in shapes):
        kinds = [f"an array of shape {shape}" if shape else "a number" for shape in shapes]
        raise FieldError(name, f"finite: {' or '.join(kinds)}" if kinds else "finite numbers")
    return found


def require_direction(value: object, axes: str) -> tuple[int, int]:
    """Return axis and sign of `+x`, `-x`, `+y`, ...

    Raises:
        FieldError: The value is no direction of the body.
    """
    if not isinstance(value, str) or len(value) != 2 or value[0] not in "+-" or value[1] not in axes:
        raise FieldError("direction", "a sign and an axis, such as +x")
    return axes.index(value[1]), 1 if value[0] == "+" else -1


def require_place(value: object, names: str) -> tuple[float, ...]:
    """Return a coordinate for each axis, from a mapping by their names or in their order.

    Raises:
        FieldError: There is not a number for each axis.
    """
    raw = [value.get(name) for name in names] if isinstance(value, Mapping) else as_tuple(value)
    place = [find_number(number) for number in raw] if isinstance(raw, (list, tuple)) else []
    found = tuple(number for number in place if number is not None)
    if len(found) != len(names) or len(place) != len(names):
        raise FieldError("at", f"a coordinate for each of {', '.join(names)}")
    return found


def as_tuple(value: Any) -> Any:
    """Return lists and arrays of one dimension as tuples; other values pass, to be refused by name."""
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return tuple(value.tolist() if isinstance(value, np.ndarray) else value)
    return value
