"""`kill -9` of worker, slot child, server and all, in the middle of a run: nothing is lost, nothing happens twice."""

from pathlib import Path

import pytest
from tests.support.faults.service import FaultyService
from tests.support.faults.storm import VICTIMS, run_storm

pytestmark = pytest.mark.timeout(900)


def test_each_process_is_killed_once_and_no_promise_is_broken(
    service: FaultyService, tmp_path: Path, seed: int
) -> None:
    report = run_storm(service, tmp_path, jobs=300, victims=VICTIMS, seed=seed)

    print(report)
    assert report.problems == ()
    assert report.losses > 0, "the kills met no job at work"


@pytest.mark.faults
def test_ten_kills_in_two_thousand_jobs_break_no_promise(
    fresh_service: FaultyService, tmp_path: Path, seed: int
) -> None:
    victims = (*VICTIMS, *VICTIMS, "worker", "all")

    report = run_storm(fresh_service, tmp_path, jobs=2_000, victims=victims, seed=seed + 1)

    print(report)
    assert report.problems == ()
    assert report.losses > 0
