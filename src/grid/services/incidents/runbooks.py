"""Runbooks: Markdown with steps in front matter, read from a folder of the administrator's.

    ---
    title: A hot spot grows
    steps:
      - title: Is it still hot?
        check: {metric: highest, op: "<", value: 520}
      - title: Stop the burst
        do: {kind: model, payload: {model: diffusive}}
      - say: Tell the operator on duty.
    ---
    Words for people, as Markdown.

A step checks a metric that is read live, sends a command as the person who confirms it, or says what is to be done.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from grid.core.errors import FieldError, InputError
from grid.core.logging import get_logger
from grid.core.strict_yaml import read_yaml
from grid.schemas.jobs import JsonObject
from grid.schemas.live import CommandKind

log = get_logger(__name__)

MOST_BYTES: Final = 64 * 1024  # of a runbook
MOST_STEPS: Final = 50
MOST_TITLE: Final = 200  # characters
OPERATORS: Final = (">", ">=", "<", "<=")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_FRONT: Final = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)(.*)\Z", re.DOTALL)

StepKind = Literal["check", "do", "say"]


@dataclass(frozen=True)
class Step:
    """One step of a runbook."""

    kind: StepKind
    title: str
    content: JsonObject

    def to_json(self) -> JsonObject:
        """The step as an incident keeps it."""
        return {"kind": self.kind, "title": self.title, "content": self.content}


@dataclass(frozen=True)
class Runbook:
    """A runbook, as it was read."""

    name: str
    title: str
    steps: tuple[Step, ...]
    text: str
    sha256: str

    def to_json(self) -> JsonObject:
        """The runbook as an incident keeps it."""
        steps = [step.to_json() for step in self.steps]
        return {"name": self.name, "title": self.title, "steps": steps, "text": self.text, "sha256": self.sha256}


@dataclass(frozen=True)
class RunbookFolder:
    """Runbooks by name, each in a file `NAME.md`.

    Args:
        path: The folder; it need not be there.
    """

    path: Path

    def find(self, name: str) -> Runbook | None:
        """Read a runbook; None where there is none of that name, or where it is refused, which is logged."""
        if not _NAME.fullmatch(name):
            return None
        try:
            with (self.path / f"{name}.md").open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            return read_runbook(name, data)
        except FileNotFoundError:
            return None
        except (OSError, InputError) as error:
            log.warning("runbook_refused", name=name, reason=str(error))
            return None

    def names(self) -> list[str]:
        """Return the names of the runbooks that are there."""
        found = self.path.glob("*.md") if self.path.is_dir() else ()
        return sorted(file.stem for file in found if _NAME.fullmatch(file.stem))


def read_runbook(name: str, data: bytes) -> Runbook:
    """Read a runbook.

    Raises:
        FieldError, InvalidYamlError: It is too long, its front matter is malformed, or a step is none.
    """
    if len(data) > MOST_BYTES:
        raise FieldError("runbook", f"must have at most {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise FieldError("runbook", "must be UTF-8") from None
    match = _FRONT.match(text)
    front = read_yaml(match[1]) if match else {}
    if not isinstance(front, Mapping) or not set(front) <= {"title", "steps"}:
        raise FieldError("runbook", "may have title and steps in its front matter")
    raw = front.get("steps", [])
    if not isinstance(raw, list) or len(raw) > MOST_STEPS:
        raise FieldError("steps", f"must be a list of at most {MOST_STEPS}")
    steps = tuple(_read_step(f"steps[{index}]", one) for index, one in enumerate(raw))
    title = _read_text("title", front.get("title", name))
    body = match[2] if match else text
    return Runbook(name, title, steps, body, hashlib.sha256(data).hexdigest())


def _read_step(where: str, raw: Any) -> Step:
    kinds = ("check", "do", "say")
    if not isinstance(raw, Mapping) or not set(raw) <= {"title", *kinds} or len(set(raw) & set(kinds)) != 1:
        raise FieldError(where, "must have one of check, do and say, and may have a title")
    kind: StepKind = next(one for one in ("check", "do", "say") if one in raw)
    if kind == "say":
        words = _read_text(f"{where}.say", raw["say"])
        return Step(kind, _read_text(f"{where}.title", raw.get("title", words)), {"text": words})
    content = _read_check(where, raw[kind]) if kind == "check" else _read_command(where, raw[kind])
    return Step(kind, _read_text(f"{where}.title", raw.get("title", kind)), content)


def _read_check(where: str, raw: Any) -> JsonObject:
    if not isinstance(raw, Mapping) or set(raw) != {"metric", "op", "value"}:
        raise FieldError(f"{where}.check", "must have metric, op and value")
    if raw["op"] not in OPERATORS:
        raise FieldError(f"{where}.check.op", f"must be one of {', '.join(OPERATORS)}")
    if isinstance(raw["value"], bool) or not isinstance(raw["value"], int | float):
        raise FieldError(f"{where}.check.value", "must be a number")
    return {"metric": _read_text(f"{where}.check.metric", raw["metric"]), "op": raw["op"], "value": float(raw["value"])}


def _read_command(where: str, raw: Any) -> JsonObject:
    kinds = [kind.value for kind in CommandKind]
    if not isinstance(raw, Mapping) or not {"kind"} <= set(raw) <= {"kind", "payload"} or raw["kind"] not in kinds:
        raise FieldError(f"{where}.do", f"must have a kind, one of {', '.join(kinds)}, and may have a payload")
    payload = raw.get("payload", {})
    if not isinstance(payload, Mapping):
        raise FieldError(f"{where}.do.payload", "must be a mapping")
    return {"kind": raw["kind"], "payload": dict(payload)}


def _read_text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_TITLE or not value.isprintable():
        raise FieldError(where, f"must be 1 to {MOST_TITLE} printable characters on one line")
    return value


def is_met(check: JsonObject, value: float) -> bool:
    """Tell whether a value passes a check."""
    limit = float(check["value"])
    results = {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}
    return results[str(check["op"])]
