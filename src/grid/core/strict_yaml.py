"""Reading YAML of people: plain values, bounded, without anchors, tags and keys that come twice.

A text of a few lines with anchors can stand for gigabytes, and a tag for an object; neither has a use in a file of
rules or in the head of a runbook.
"""

from typing import Any, Final

from grid.core.errors import InputError

MOST_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 20


class InvalidYamlError(InputError):
    """The text is not YAML that Grid accepts; the reason names the rule and the line, never the text."""

    code, title = "invalid-yaml", "The text is not valid YAML"

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule

    def __str__(self) -> str:
        return f"The text is refused: {self.rule}."


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        InvalidYamlError: Malformed, too long, nested too deep, with an anchor or a tag, or with a key that comes twice.
    """
    import yaml  # type: ignore[import-untyped]  # it ships no types

    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise InvalidYamlError(f"it has more than {MOST_BYTES} bytes")
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise InvalidYamlError(f"an anchor or an alias at line {line}")
            if getattr(event, "tag", None) is not None:
                raise InvalidYamlError(f"a tag at line {line}")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise InvalidYamlError(f"nested deeper than {MAX_DEPTH} at line {line}")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _require_unique_keys(node)
        return yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        raise InvalidYamlError(f"malformed{place}") from None
    except ValueError:  # a date that is none
        raise InvalidYamlError("a value is not what its form says") from None


def _require_unique_keys(node: Any) -> None:
    """Refuse a mapping with a key twice: YAML's reader keeps the last one and says nothing."""
    stack = [node]
    while stack:
        one = stack.pop()
        if one.id == "mapping":
            names = [key.value for key, _ in one.value if key.id == "scalar"]
            if len(set(names)) != len(names) or len(names) != len(one.value):
                raise InvalidYamlError(f"a key appears twice, or is no text, at line {one.start_mark.line + 1}")
            stack += [value for _, value in one.value]
        elif one.id == "sequence":
            stack += one.value
