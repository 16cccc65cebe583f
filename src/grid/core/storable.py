"""Values that every database and every JSON reader takes, made of what a simulation or a program said.

PostgreSQL takes no NUL, no UTF-8 encoder takes half of a surrogate pair, JSON knows no infinity, and a name of a
megabyte is a row of a megabyte. One such value would make a transaction fail with all that are in it, or every list
that it is shown in. So nothing of the kind is refused: it is replaced or cut.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
MOST_NAME: Final = 100  # characters of the name of a metric or an audit
KEY_DIGEST: Final = 16  # hexadecimal digits that tell long keys apart
MOST_TEXT: Final = 500  # characters of a text beside numbers
MOST_ENTRIES: Final = 256  # metrics or audits of one job
MOST_INTEGER: Final = 1 << 63  # PostgreSQL's and most JSON readers' whole numbers have 64 bits

Scalar = float | int | str | bool | None


def storable_text(text: object, most: int = MOST_TEXT) -> str:
    """Return text of at most `most` characters, without NUL and lone surrogates."""
    plain = text if isinstance(text, str) else str(text)
    if len(plain) > most:
        plain = plain[:most]
    if plain.isascii():
        return plain.replace("\0", REPLACEMENT)
    return plain.replace("\0", REPLACEMENT).encode("utf-8", "replace").decode("utf-8")


def storable_key(key: str, most: int = MOST_NAME) -> str:
    """Return a key of at most `most` characters; the end of a longer one gives way to a hash of the whole."""
    if len(key) <= most:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:KEY_DIGEST]
    return f"{key[: most - KEY_DIGEST - 1]}-{digest}"


def storable_scalar(value: Any) -> Scalar:
    """Return a scalar: finite, within 64 bits, text cut; None for a number that is not, and for anything else.

    NumPy's scalars become Python's.
    """
    if not isinstance(value, bool | int | float | str) and hasattr(value, "item"):
        try:
            value = value.item()
        except (TypeError, ValueError):  # an array of several values
            return None
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value) if -MOST_INTEGER <= value < MOST_INTEGER else None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return None


def storable_scalars(values: Mapping[Any, Any]) -> dict[str, Scalar]:
    """Return named scalars, at most `MOST_ENTRIES`; of names that become equal the last counts."""
    return {
        storable_text(name, MOST_NAME): storable_scalar(value)
        for _, (name, value) in zip(range(MOST_ENTRIES), values.items(), strict=False)
    }
