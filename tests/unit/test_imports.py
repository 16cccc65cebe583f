"""No module imports itself by way of others, counting imports inside functions and those for type checking."""

import re
import sys
from pathlib import Path

import pytest
from tests.support.imports import find_circles, read_imports

import grid


def test_no_import_leads_in_a_circle():
    assert find_circles(read_imports()) == []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "toy"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "a": "def late():\n    from toy import b\n    return b",
        "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy.c import Thing",
        "c": "import toy.a\nclass Thing: ...",
        "d": "from toy.a import late\nimport sys, tomllib",
        "e": "import toy.d as d",
    }.items():
        (folder / f"{name}.py").write_text(text)
    return tmp_path


def test_imports_inside_functions_and_for_type_checking_count(package: Path):
    graph = read_imports("toy", package)

    assert graph["toy.d"] == {"toy.a"}
    assert graph["toy.e"] == {"toy.d"}
    assert find_circles(graph) == [["toy.a", "toy.b", "toy.c"]]


def test_the_graph_holds_every_module_of_the_package():
    graph = read_imports()

    assert {name for name in sys.modules if name.partition(".")[0] == "grid"} <= set(graph)
    assert "grid.database.base" in graph["grid.database.transaction"]


# Libraries of scaling out, and the modules that may import them: the embedded service loads none.
SCALING_OUT = {
    "celery": {"grid.tasks.celery_app"},
    "kombu": {"grid.tasks.celery_app"},
    "boto3": {"grid.runtime.s3_client"},
    "docker": {"grid.runtime.engine_images"},
    "redis": {"grid.runtime.redis_bus", "grid.runtime.live.redis_frames", "grid.runtime.live.frame_relay"},
}


@pytest.mark.parametrize("library", SCALING_OUT)
def test_a_library_of_scaling_out_is_imported_by_its_own_modules_alone(library: str):
    root = Path(grid.__file__).parent
    pattern = re.compile(rf"^\s*(?:from|import)\s+{library}\b", re.MULTILINE)
    found = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for path in root.rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    }

    assert found == SCALING_OUT[library]
