"""Verification of the kind `lumped`: what computes an entry of a case, by `model` and `quantity`."""

from collections.abc import Callable, Mapping
from typing import Any

from grid.core.errors import FieldError
from grid.engine.limits import DURATION, TIME
from grid.engine.lumped.body import BodyRun, LumpedBody
from grid.engine.lumped.network import NetworkRun
from grid.engine.lumped.reader import read_body, read_network

Entry = Mapping[str, Any]
Compute = Callable[[Entry], Any]


def prepare_case(case: Mapping[str, Any]) -> Compute:
    """Read a case and return what computes its entries; the run is as long as they need.

    Raises:
        FieldError, InvalidFieldsError: The case is not valid.
        DivergedError: Its temperature runs away.
    """
    model = case.get("model")
    if model == "network":
        return _network(read_network(case).run())
    if model == "body":
        body, is_steady = read_body(case)
        return _steady(body) if is_steady else _body(body, body.run())
    raise FieldError("model", "one of body, network")


def _body(body: LumpedBody, run: BodyRun) -> Compute:
    answers: dict[str, Callable[[Entry], float]] = {
        "temperature": lambda e: run.temperature(_time(e)),
        "time_to_temperature": lambda e: run.time_to_temperature(_number(e, "target"), _optional_text(e, "phase")),
        "temperature_at_phase_end": lambda e: run.temperature_at_phase_end(_text(e, "phase")),
    }
    return _dispatch(_properties(body) | answers)


def _steady(body: LumpedBody) -> Compute:
    return _dispatch(_properties(body) | {"temperature": lambda _: body.steady()})


def _properties(body: LumpedBody) -> dict[str, Callable[[Entry], float]]:
    return {
        "time_constant": lambda _: body.time_constant,
        "biot_number": lambda _: body.biot_number,
        "diameter_for_time_constant": lambda e: body.diameter_for_time_constant(_positive(e, "target")),
    }


def _network(run: NetworkRun) -> Compute:
    answers: dict[str, Callable[[Entry], Any]] = {
        "temperature": lambda e: run.temperature(_text(e, "node"), _time(e)),
        "switch_times": lambda e: run.switch_times(_text(e, "control"), _time(e)),
        "temperature_at_switch": lambda e: run.temperature_at_switch(
            _text(e, "node"), _text(e, "control"), _count(e, "switch")
        ),
    }
    return _dispatch(answers)


def _dispatch(answers: Mapping[str, Callable[[Entry], Any]]) -> Compute:
    def compute(entry: Entry) -> Any:
        quantity = entry.get("quantity")
        if not isinstance(quantity, str) or quantity not in answers:
            raise FieldError("quantity", f"one of {', '.join(sorted(answers))}")
        return answers[quantity](entry)

    return compute


def _number(entry: Entry, name: str) -> float:
    raw = entry.get(name)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise FieldError(name, f"required for {entry['quantity']}, a number")
    return float(raw)


def _positive(entry: Entry, name: str) -> float:
    number = _number(entry, name)
    if not DURATION.allows(number):
        raise FieldError(name, str(DURATION))
    return number


def _time(entry: Entry) -> float:
    time = _number(entry, "time")
    if not TIME.allows(time):
        raise FieldError("time", str(TIME))
    return time


def _count(entry: Entry, name: str) -> int:
    number = _number(entry, name)
    if not (number.is_integer() and 1 <= number <= 10_000):
        raise FieldError(name, "an integer from 1 to 10000")
    return int(number)


def _text(entry: Entry, name: str) -> str:
    raw = entry.get(name)
    if not isinstance(raw, str):
        raise FieldError(name, f"required for {entry['quantity']}, a name")
    return raw


def _optional_text(entry: Entry, name: str) -> str | None:
    return _text(entry, name) if name in entry else None
