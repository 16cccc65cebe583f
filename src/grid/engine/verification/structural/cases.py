"""Cases of stress, integrity and fatigue (docs/case-format.md, sections 6 to 8): functions that compute their entries.

The function is chosen by `kind` and `model` alone, and by `quantity` in each entry.
"""

from collections.abc import Callable, Mapping
from typing import Any

from grid.engine.problem.reader import CaseReader
from grid.engine.verification.structural import fatigue as fatigue_cases
from grid.engine.verification.structural import integrity as integrity_cases
from grid.engine.verification.structural import stress as stress_cases

Answer = Callable[[Mapping[str, Any]], Any]
MODELS: dict[str, dict[str, Callable[[Mapping[str, Any]], Answer]]] = {
    "stress": stress_cases.MODELS,
    "integrity": integrity_cases.MODELS,
    "fatigue": fatigue_cases.MODELS,
}


def prepare_case(case: Mapping[str, Any]) -> Answer:
    """Check a case of kind `stress`, `integrity` or `fatigue` and return what computes the value of an entry.

    Raises:
        FieldError, InvalidFieldsError: Fields are missing, unknown, of the wrong type or outside their limits.
        GridError: The mathematics refuses.
    """
    reader = CaseReader()
    kind = reader.read_choice("kind", case.get("kind"), MODELS)
    reader.finish()
    models = MODELS[str(kind)]
    model = reader.read_choice("model", case.get("model"), models)
    reader.finish()
    return models[str(model)](case)
