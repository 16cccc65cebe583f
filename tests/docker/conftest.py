"""Tests on a real Docker engine: `make test-docker`, and in CI those that are not of the long form (`faults`).

They are left out of a run that does not ask for their marker.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.docker_runs import Containers, build_image, open_containers


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out unless they are asked for: where no engine is, they fail and are not skipped."""
    if "docker" in (config.option.markexpr or ""):
        return
    own = [item for item in items if Path(__file__).parent in item.path.parents]
    items[:] = [item for item in items if item not in own]
    config.hook.pytest_deselected(items=own)


@pytest.fixture(scope="session")
def docker_host() -> str | None:
    """The engine, as DOCKER_HOST names it."""
    return os.environ.get("DOCKER_HOST")


@pytest.fixture(scope="session")
def script_image() -> str:
    """The image that runs scripts."""
    return build_image()


@pytest.fixture
def containers(docker_host: str | None, script_image: str, tmp_path: Path) -> Iterator[Containers]:
    """Runs in containers, each of which is followed by one that ends well: the next job does not notice."""
    with open_containers(tmp_path / "home", docker_host, script_image) as containers:
        yield containers
        outcome, text = containers.end("say('next')")
        assert (outcome.reason.value, text) == ("ok", "next\n"), outcome
