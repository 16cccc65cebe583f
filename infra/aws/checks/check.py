"""Check the Terraform of this folder without an account and without a registry of providers.

    python infra/aws/checks/check.py        prints what is wrong, one line each; exit code 1 where anything is

Held against `schema.json`, an extract of the providers' own schemas: every argument and block of every resource, what
is required, and every attribute that an expression names. Then references: variables, locals, modules and outputs.
Needs python-hcl2; Terraform itself is not needed. What a provider checks when it applies (values, quotas, whether an
instance type exists in a region) is not checked.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

FOLDER = Path(__file__).resolve().parent.parent
META = frozenset({"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner"})
MODULE_META = {"source", "version", "providers", "count", "for_each", "depends_on"}
RESOURCE = re.compile(r"(?<![\w.])((?:data\.)?(?:aws|random)_\w+)\.(\w+)((?:\[[^\]]*\])?)(?:\.(\w+))?")
NAME = {
    "var": re.compile(r"(?<![\w.])var\.(\w+)"),
    "local": re.compile(r"(?<![\w.])local\.(\w+)"),
    "module": re.compile(r"(?<![\w.])module\.(\w+)(?:\[[^\]]*\])?\.(\w+)"),
}

NOTES = {"__is_block__", "__comments__", "__inline_comments__"}  # of the parser

Body = dict[str, Any]


@dataclass
class Module:
    """One folder of Terraform files."""

    path: Path
    resources: dict[tuple[str, str], Body] = field(default_factory=dict)  # (type, name); data sources begin with data.
    variables: dict[str, Body] = field(default_factory=dict)
    locals: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Body] = field(default_factory=dict)
    modules: dict[str, Body] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Path below the folder of all."""
        return str(self.path.relative_to(FOLDER)) if self.path.is_relative_to(FOLDER) else self.path.name


@cache
def schema() -> Any:
    """Return the extract of the providers' schemas."""
    return json.loads((FOLDER / "checks" / "schema.json").read_text(encoding="utf-8"))


def bare(text: str) -> str:
    """Return a name or a text without the quotes that the parser keeps."""
    return text.removeprefix('"').removesuffix('"')


def read_module(path: Path) -> Module:
    """Read the files of one module."""
    module = Module(path)
    for file in sorted(path.glob("*.tf")):
        document = hcl2.loads(file.read_text(encoding="utf-8"))
        for prefix, kind in (("", "resource"), ("data.", "data")):
            for block in document.get(kind, []):
                for type_name, named in block.items():
                    for name, body in named.items():
                        module.resources[f"{prefix}{bare(type_name)}", bare(name)] = body
        for kind, place in (("variable", module.variables), ("output", module.outputs), ("module", module.modules)):
            for block in document.get(kind, []):
                place.update({bare(name): body for name, body in block.items()})
        for block in document.get("locals", []):
            module.locals.update({name: value for name, value in block.items() if name not in NOTES})
    return module


def read_all(folder: Path = FOLDER) -> dict[Path, Module]:
    """Read every module below a folder, by its path."""
    paths = sorted({file.parent for file in folder.rglob("*.tf") if ".terraform" not in file.parts})
    return {path: read_module(path) for path in paths}


def find_problems(folder: Path = FOLDER) -> list[str]:
    """Return a sentence for everything that is wrong."""
    modules = read_all(folder)
    problems: list[str] = []
    for module in modules.values():
        for (kind, name), body in module.resources.items():
            known = shape_of(kind)
            where = f"{module.name}: {kind}.{name}"
            problems += [f"{where}: not in the extract of schemas"] if known is None else check_body(body, known, where)
        problems += check_references(module) + check_calls(module, modules)
    return problems


def shape_of(kind: str) -> Body | None:
    """Return the schema of a resource or data source; None where the extract has none."""
    place, name = ("data", kind.removeprefix("data.")) if kind.startswith("data.") else ("resources", kind)
    found: Body | None = schema()[place].get(name)
    return found


def check_body(body: Body, known: Body, where: str, meta: frozenset[str] = META) -> list[str]:
    """Hold arguments and blocks against a schema, at every depth; the outermost may have `meta` too."""
    blocks = known.get("blocks", {})
    names = {*known["required"], *known["optional"]}
    given = set(body) - NOTES - meta
    given |= {bare(name) for block in body.get("dynamic", []) for name in block}
    given.discard("dynamic")
    problems = [f"{where}: {name} is not an argument" for name in sorted(given - names)]
    problems += [f"{where}: {name} is missing" for name in sorted(set(known["required"]) - given)]
    for name, value in body.items():
        for block in blocks_in(value):
            if name in blocks:
                problems += check_body(block, blocks[name], f"{where}.{name}", frozenset())
            elif name in names:
                problems.append(f"{where}: {name} is an argument, not a block")
    return problems


def blocks_in(value: Any) -> list[Body]:
    """Return the blocks that a name stands for; none where it is an argument."""
    return (
        [one for one in value if isinstance(one, dict) and one.get("__is_block__")] if isinstance(value, list) else []
    )


def texts(value: Any) -> Iterator[str]:
    """Yield every text within a value, names of an object's members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in NOTES:
                yield str(name)
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def expressions(module: Module) -> str:
    """Return everything that may hold a reference, as one text."""
    bodies = [module.resources, module.locals, module.outputs, module.modules, module.variables]
    plain = [{str(name): body for name, body in one.items()} for one in bodies]
    return "\n".join(text for one in plain for body in one.values() for text in texts(body))


def check_references(module: Module) -> list[str]:
    """Find names that lead nowhere, and variables and locals that nobody uses."""
    text, problems = expressions(module), []
    for kind, declared in (("var", module.variables), ("local", module.locals)):
        used = set(NAME[kind].findall(text))
        problems += [f"{module.name}: {kind}.{name} is not declared" for name in sorted(used - declared.keys())]
        problems += [f"{module.name}: {kind}.{name} is not used" for name in sorted(declared.keys() - used)]
    for kind, name, _, attribute in RESOURCE.findall(text):
        if (kind, name) not in module.resources:
            problems.append(f"{module.name}: {kind}.{name} is not there")
            continue
        known = shape_of(kind) or {"required": [], "optional": [], "attributes": []}
        if attribute and attribute not in {"id", *known["required"], *known["optional"], *known["attributes"]}:
            problems.append(f"{module.name}: {kind}.{name} has no attribute {attribute}")
    return problems


def check_calls(module: Module, modules: dict[Path, Module]) -> list[str]:
    """Hold calls of modules against their variables, and what is taken of them against their outputs."""
    problems = []
    called = {name: modules[(module.path / bare(body["source"])).resolve()] for name, body in module.modules.items()}
    for name, body in module.modules.items():
        given = set(body) - MODULE_META - NOTES
        declared = called[name].variables
        needed = {each for each, variable in declared.items() if "default" not in variable}
        problems += [f"{module.name}: module.{name} takes no {each}" for each in sorted(given - declared.keys())]
        problems += [f"{module.name}: module.{name} lacks {each}" for each in sorted(needed - given)]
    for name, output in NAME["module"].findall(expressions(module)):
        if name not in called or output not in called[name].outputs:
            problems.append(f"{module.name}: module.{name}.{output} is not there")
    return problems


if __name__ == "__main__":
    found = find_problems()
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    raise SystemExit(1 if found else 0)
