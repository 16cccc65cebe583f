"""Labels (`metadata`) of jobs and sweeps: one rule for what is stored and for what is looked for."""

import re

MAX_LABELS = 32  # of one job or sweep
MAX_KEY_LENGTH = 64  # characters
MAX_BYTES = 8 * 1024  # of all keys and values together

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def require_label_text(text: str) -> str:
    """Return a key or a value that is text to be shown on one line.

    Raises:
        ValueError: It holds a control character (a line break, a tab, an escape of a terminal) or half a character.
    """
    if _CONTROL.search(text):
        raise ValueError("must be text without control characters, line breaks among them")
    return text


def require_label_key(key: str) -> str:
    """Return the key of a label.

    Raises:
        ValueError: It is empty, too long, or not text as `require_label_text` means it.
    """
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise ValueError(f"a key must be 1 to {MAX_KEY_LENGTH} characters")
    return require_label_text(key)


def require_label_value(text: str) -> str:
    """Return the text of a value to look for.

    Raises:
        ValueError: No label can have it.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise ValueError(f"must be at most {MAX_BYTES} bytes")
    return require_label_text(text)
