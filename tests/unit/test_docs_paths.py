"""Documents and sources name files, modules and members that exist: looked up in the sources, nothing is imported."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md")
CODED = ("src", "tests", "benchmarks", "scripts")
SOURCES = tuple(path for name in CODED for path in sorted((ROOT / name).rglob("*.py")))
# A path in a document begins in one of these, so that `space/cuts.py` needs no more on a page about the engine.
PLACES = tuple(ROOT / name for name in ("", "src/grid", "src/grid/engine"))
FOLDERS = tuple(ROOT / name for name in ("src/grid", "tests", "benchmarks", "scripts", "sim", "docs"))  # of a bare name
FENCED = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?<![\w./<>-])[\w./-]+\.py\b")
DOTTED = re.compile(r"(?<![\w./$@-])grid(?:\.[A-Za-z_]\w*)+")
EXAMPLE = re.compile(r"notes\.py$")  # of a noun that the page about routes makes up
PROMISED = {"grid.tasks.celery_app"}  # docs/commands.md says that it is not there yet
DATA = {"grid.db", "grid.v1", "grid.run"}  # a file of the data folder, the WebSocket's subprotocol, the task of Celery


def test_files_that_documents_name_exist():
    named = {(page.name, file) for page in DOCUMENTS for file in find_files(page.read_text(encoding="utf-8"))}

    assert len(named) > 100
    assert sorted(pair for pair in named if not has_file(pair[1])) == []


def test_modules_and_members_that_documents_name_exist():
    named = {(page.name, name) for page in DOCUMENTS for name in find_names(page.read_text(encoding="utf-8"))}

    assert len(named) > 20
    assert sorted(pair for pair in named if not has_name(pair[1])) == []


def test_files_and_names_in_docstrings_and_comments_exist():
    named = set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if path != Path(__file__) and "`" in text:
            named.update((path.name, name) for name in find_names(text) if not has_name(name))
            named.update((path.name, file) for file in find_files(text) if not has_file(file))

    assert sorted(named) == []


def test_names_are_found_in_code_and_in_imports_of_python_blocks():
    text = (
        "`engine/a.py` and `tests/b.py::test`, not plain c.py, `<noun>.py` or `database/notes.py`; `grid.core.x(1)`, "
        "`$GRID_HOME/grid.db`\n\n  ```python\n  from grid.client.client import GridClient, Other\n  ```\n"
    )

    assert find_files(text) == {"engine/a.py", "tests/b.py"}
    assert find_names(text) == {"grid.core.x", "grid.client.client.GridClient", "grid.client.client.Other"}


def test_what_is_not_in_the_sources_is_told():
    assert has_file("space/cuts.py")
    assert has_file("cuts.py")
    assert not has_file("engine/cuts.py")
    assert not has_file("no_such_file.py")
    assert has_name("grid.engine.solve")
    assert has_name("grid.schemas.simulations.Simulation.solve")
    assert has_name("grid.engine.Plan.solve")
    assert not has_name("grid.engine.plot")
    assert not has_name("grid.schemas.simulations.Simulation.no_such_member")


def find_files(text: str) -> set[str]:
    """Paths and names of Python files in the inline code of a document."""
    found = {file for code in CODE.findall(FENCED.sub("", text)) for file in FILE.findall(code)}
    return {file for file in found if not EXAMPLE.search(file)}


def find_names(text: str) -> set[str]:
    """Dotted names of Grid in the inline code of a document, and what its blocks of Python import."""
    names = {name for code in CODE.findall(FENCED.sub("", text)) for name in DOTTED.findall(code)}
    for indent, language, block in FENCED.findall(text):
        if language == "python":
            lines = "\n".join(line.removeprefix(indent) for line in block.splitlines())
            names.update(
                f"{node.module}.{alias.name}"
                for node in ast.walk(ast.parse(lines))
                if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "grid"
                for alias in node.names
            )
    return names - PROMISED - DATA


def has_file(name: str) -> bool:
    """Whether a path leads to a file from one of the places, or a bare name is that of a file anywhere."""
    if "/" in name:
        return any((place / name).is_file() for place in PLACES)
    return name in list_file_names()


@cache
def list_file_names() -> frozenset[str]:
    return frozenset(path.name for folder in FOLDERS for path in folder.rglob("*.py"))


def has_name(name: str) -> bool:
    """Whether a dotted name is a module, or a member at the top of a module, or one of a class there."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath("src", *parts[:length])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file():
            return has_members(parse(file), parts[length:])
    return False


@cache
def parse(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_text(encoding="utf-8")).body


def has_members(body: list[ast.stmt], names: list[str]) -> bool:
    """Whether the first name is defined or imported by these statements, and the next one within it."""
    if not names:
        return True
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == names[0]:
            return has_members(node.body, names[1:])
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if names[0] == (alias.asname or alias.name):
                    return len(names) == 1 or has_name(".".join([str(node.module), alias.name, *names[1:]]))
        elif names[0] in find_targets(node):
            return len(names) == 1
    return False


def find_targets(node: ast.stmt) -> set[str]:
    """Names that a statement assigns, also to several at once."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return set()
