"""What a machine may lack and tests need: they are left out with a reason there, and fail in CI."""

import os
from typing import NoReturn

import pytest


def is_in_ci() -> bool:
    """True where CI runs."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def leave_out(sentence: str) -> NoReturn:
    """Skip the test, or fail it in CI."""
    if is_in_ci():
        pytest.fail(f"left out: {sentence}", pytrace=False)
    pytest.skip(f"left out: {sentence}")
