"""The imports between modules of a package, read from its sources: inside functions and for type checking alike.

`python -m tests.support.imports` prints the circles of `grid`.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"

Graph = Mapping[str, frozenset[str]]  # the modules that each module imports


def read_imports(package: str = "grid", sources: Path = SOURCES) -> Graph:
    """Return which modules of the package each of its modules imports, wherever the statement stands."""
    files = {_name_module(path.relative_to(sources)): path for path in (sources / package).rglob("*.py")}
    return {name: _find_imports(name, path, frozenset(files)) - {name} for name, path in files.items()}


def find_circles(graph: Graph) -> list[list[str]]:
    """Return the circles: the strongly connected components of more than one module (Tarjan 1972), sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in sorted(graph[module]):
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            place = stack.index(module)
            component = sorted(stack[place:])
            del stack[place:]
            if len(component) > 1:
                circles.append(component)

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return sorted(circles)


def _name_module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _find_imports(module: str, path: Path, known: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(_nearest(alias.name, known) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{module} imports by a relative name, which this reader does not follow")
            found.update(_nearest(f"{node.module}.{alias.name}", known) for alias in node.names)
    return frozenset(found - {""})


def _nearest(name: str, known: frozenset[str]) -> str:
    """Return the module that an imported name is, or is a member of; nothing for one of another package."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


if __name__ == "__main__":
    for circle in find_circles(read_imports()):
        print(len(circle), " ".join(circle))
