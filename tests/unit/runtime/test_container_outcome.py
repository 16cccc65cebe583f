"""Reasons of ends of containers, told apart."""

import pytest

from grid.runtime.container_outcome import read_outcome
from grid.runtime.containers import ContainerLimits
from grid.schemas.jobs import Reason

LIMITS = ContainerLimits(wall_s=100.0, output_bytes=1000)
ENDED = {
    "type": "ended", "cause": None, "exit_code": 0, "is_oom": False, "engine_was_away": False, "wall_s": 1.0,
    "cpu_s": 0.5, "max_rss_bytes": 7, "output_bytes": 10, "written_bytes": 10, "container_id": "c", "image_id": "i",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({}, Reason.OK),
        ({"exit_code": 1}, Reason.NONZERO_EXIT),
        ({"exit_code": 137}, Reason.NONZERO_EXIT),  # a code that looks like a kill is none
        ({"exit_code": 143}, Reason.NONZERO_EXIT),
        ({"exit_code": 137, "is_oom": True}, Reason.OOM),
        ({"exit_code": 1, "is_oom": True}, Reason.OOM),  # a child was ended for its memory, and the parent gave up
        ({"is_oom": True}, Reason.OK),  # a child was ended for its memory, and the run came to its end
        ({"exit_code": 137, "is_oom": True, "cause": "wall_timeout"}, Reason.OOM),
        ({"exit_code": 137, "is_oom": True, "cause": "cancelled"}, Reason.CANCELLED_BY_USER),
        ({"exit_code": 137, "cause": "wall_timeout"}, Reason.WALL_TIMEOUT),
        ({"exit_code": 0, "cause": "wall_timeout"}, Reason.WALL_TIMEOUT),
        ({"exit_code": 137, "cause": "output_too_large"}, Reason.OUTPUT_TOO_LARGE),
        ({"exit_code": 152}, Reason.CPU_TIMEOUT),
        ({"exit_code": 137, "cpu_s": 120.0}, Reason.CPU_TIMEOUT),
        ({"exit_code": 153}, Reason.OUTPUT_TOO_LARGE),
        ({"exit_code": 1, "output_bytes": 1000, "written_bytes": 1000}, Reason.OUTPUT_TOO_LARGE),
        ({"written_bytes": 1001}, Reason.OUTPUT_TOO_LARGE),
        ({"exit_code": 137, "engine_was_away": True}, Reason.INFRA),
        ({"exit_code": 0, "engine_was_away": True}, Reason.OK),
        ({"exit_code": 137, "engine_was_away": True, "cause": "wall_timeout"}, Reason.WALL_TIMEOUT),
        ({"exit_code": 137, "cause": "supervisor_gone"}, Reason.INFRA),
        ({"failure": "no"}, Reason.INFRA),
        ({"failure": "no", "reason": "image_unavailable"}, Reason.IMAGE_UNAVAILABLE),
        ({"failure": "no", "reason": "sandbox_unavailable"}, Reason.SANDBOX_UNAVAILABLE),
        ({"failure": "no", "reason": "nonzero_exit", "exit_code": 127}, Reason.NONZERO_EXIT),
    ],
)
def test_an_end_has_its_reason(words, reason):
    assert read_outcome(ENDED | words, LIMITS).reason is reason


def test_an_end_has_code_signal_message_and_usage():
    outcome = read_outcome(ENDED | {"exit_code": 139, "max_rss_bytes": None}, LIMITS)

    assert (outcome.exit_code, outcome.signal) == (139, 11)
    assert outcome.message == "The program ended with exit code 139; its log says why."
    assert outcome.usage == {
        "wall_s": 1.0, "cpu_s": 0.5, "output_bytes": 10, "written_bytes": 10, "container_id": "c", "image_id": "i",
    }  # fmt: skip
