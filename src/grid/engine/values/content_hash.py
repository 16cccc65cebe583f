"""Hash of values by their content: the same for equal data in any process."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def hash_content(*parts: object) -> str:
    """SHA-256 over values: frozen dataclasses by their fields, mappings by sorted keys, arrays by their bytes."""
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Add a value by its content: type, then parts in order."""
    digest.update(type(value).__name__.encode() + b"\0")
    if is_dataclass(value):
        for item in fields(value):
            digest.update(item.name.encode() + b"\0")
            _feed(digest, getattr(value, item.name))
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            digest.update(str(key).encode() + b"\0")
            _feed(digest, value[key])
    elif isinstance(value, (tuple, list)):
        digest.update(str(len(value)).encode() + b"\0")
        for part in value:
            _feed(digest, part)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode() + b"\0" + np.ascontiguousarray(value).tobytes())
    else:
        digest.update(repr(value).encode() + b"\0")
