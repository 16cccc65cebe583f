"""Outcomes made storable before they are written.

Any program sends them, and one invalid value would undo the whole transaction.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grid.core.storable import MOST_ENTRIES, storable_scalar, storable_scalars, storable_text
from grid.schemas.jobs import Audit, Manifest
from grid.services.ledger.outcomes import Failed, Outcome, Returned, Stopped, Succeeded

MOST_MESSAGE = 2_000  # characters, as the column has
MOST_DETAIL = 1_000  # characters of an audit's detail
MOST_VERSION = 100  # characters of a version or a hash
_VERDICTS = frozenset({"passed", "failed", "not_applicable"})


def make_storable(outcome: Outcome) -> Outcome:
    """Return the outcome with every text, number and name valid for both databases and every list."""
    match outcome:
        case Succeeded(_, manifest, usage):
            return replace(outcome, manifest=_manifest(manifest), usage=storable_scalars(usage))
        case Failed(message=message, usage=usage):
            return replace(outcome, message=storable_text(message, MOST_MESSAGE), usage=storable_scalars(usage))
        case Returned(message=message):
            return replace(outcome, message=storable_text(message, MOST_MESSAGE))
        case Stopped():
            return outcome


def _manifest(manifest: Manifest) -> Manifest:
    clean = Manifest(**manifest)
    if "metrics" in manifest:
        clean["metrics"] = storable_scalars(manifest["metrics"])
    if "audits" in manifest:
        clean["audits"] = [make_storable_audit(audit) for audit in manifest["audits"][:MOST_ENTRIES]]
    if "numerics_version" in manifest:
        clean["numerics_version"] = storable_text(manifest["numerics_version"], MOST_VERSION)
    if "field_sha256" in manifest:
        clean["field_sha256"] = storable_text(manifest["field_sha256"], MOST_VERSION)
    return clean


def make_storable_audit(audit: Mapping[str, Any]) -> Audit:
    """Return a storable audit; an unknown verdict counts as failed."""
    verdict = audit.get("verdict")
    return Audit(
        name=storable_text(audit.get("name", "")),
        verdict=verdict if verdict in _VERDICTS else "failed",
        value=_number(audit.get("value")),
        limit=_number(audit.get("limit")),
        detail=storable_text(audit.get("detail", ""), MOST_DETAIL),
    )


def _number(value: Any) -> float | None:
    plain = storable_scalar(value)
    return float(plain) if isinstance(plain, int | float) else None
