"""Alert rules that every live run has, by the wall clock, and metrics that only the service knows."""

from typing import Any, Final

from grid.schemas.jobs import JsonObject

# Metrics of the service, beside those of a sample: known whether the run is heard of or not.
SERVICE_METRICS: Final = ("data_age_s", "worker_lost")
# Metrics that follow from those of a sample.
DERIVED_METRICS: Final = ("rate_ratio", "forced_share")

_WALL: Final[dict[str, Any]] = {"clock": "wall"}
BUILTIN_RULES: Final[tuple[JsonObject, ...]] = (
    {
        **_WALL, "name": "worker-lost", "metric": "worker_lost", "raise": 0.5, "clear": 0.5, "severity": "high",
        "summary": "The worker of the run went away; another one goes on from the last snapshot",
    },
    {
        **_WALL, "name": "run-stale", "metric": "data_age_s", "raise": 3.0, "clear": 2.0, "severity": "high",
        "summary": "The run should tick, and nothing was heard of it for three seconds",
    },
    {
        **_WALL, "name": "behind", "metric": "rate_ratio", "op": "<", "raise": 0.9, "clear": 0.98, "for_s": 3.0,
        "keep_firing_for_s": 5.0, "severity": "low", "summary": "Ticks take longer than they may: the run is behind",
    },
    {
        **_WALL, "name": "balance-residual", "metric": "balance_residual", "raise": 1e-8, "clear": 1e-9,
        "severity": "high", "summary": "Stored heat and heat moved differ by more than rounding",
    },
    {
        **_WALL, "name": "time-error", "metric": "time_error", "raise": 0.5, "clear": 0.25, "for_s": 2.0,
        "severity": "medium", "summary": "The method estimates an error of more than half a kelvin a tick",
    },
    {
        **_WALL, "name": "forced-model", "metric": "forced_share", "raise": 1.0, "clear": 1.0, "severity": "medium",
        "summary": "The lumped model is kept by command beyond the limit of its certificate",
    },
)  # fmt: skip
BUILTIN_NAMES: Final = frozenset(str(rule["name"]) for rule in BUILTIN_RULES)
# Rules about the run itself: while one fires, what the run last said of its values is old.
HEALTH_RULES: Final = ("worker-lost", "run-stale")
NO_DATA_SUFFIX: Final = ".no-data"


def make_no_data_rule(rule: JsonObject) -> JsonObject | None:
    """Return the rule in wall time by which lack of data fires; None where a rule in simulation time does not ask it.

    The process of the run decides such a rule, and it is silent when there is no data: so the service decides that.
    """
    if rule.get("no_data") != "fire" or rule.get("clock", "sim") != "sim":
        return None
    kept: JsonObject = {
        name: rule[name] for name in ("severity", "region", "labels", "runbook", "for_s", "version") if name in rule
    }
    return {
        **_WALL, **kept, "name": str(rule["name"])[: 100 - len(NO_DATA_SUFFIX)] + NO_DATA_SUFFIX,
        "metric": "data_age_s", "raise": rule.get("no_data_after_s", 30.0), "clear": rule.get("stale_after_s", 3.0),
        "summary": f"There is no data of {rule['metric']}",
    }  # fmt: skip
