"""Fingerprints of commands: what is the same command when it comes again."""

import hashlib
import json

from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind


def dump_payload(payload: JsonObject) -> str:
    """Return a payload as canonical JSON.

    Raises:
        ValueError: A number in it is not finite.
    """
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)


def compute_fingerprint(kind: CommandKind, payload: JsonObject, at_s: float | None) -> str:
    """Compute the SHA-256 of what a command asks for."""
    text = f"{kind.value}\n{at_s!r}\n{dump_payload(payload)}"
    return hashlib.sha256(text.encode()).hexdigest()
