"""Check what import-linter cannot see: circles of files, and imports by string that go up a layer or into a sibling.

The graph of every wheel is built from its syntax trees. An edge is an import anywhere in a file: at its top, in a
function, under `TYPE_CHECKING`, or a string that names a module (`"terok_sandbox.doctor.check:run"`; `".audit"` in the
table of a lazy facade). The layers are those of the contracts in the root `pyproject.toml`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A whole string that could name a module, with or without an attribute behind a colon.
REFERENCE = re.compile(r"(?P<module>\.?[a-z_]\w*(\.[a-z_]\w*)*)(:\w*)?")


@dataclass(frozen=True, order=True)
class Import:
    """One file imports another; `line` is where."""

    source: str
    target: str
    line: int


@dataclass(frozen=True)
class Layers:
    """A contract of layers, highest first; the rooms of one layer are independent of each other."""

    container: str
    rows: tuple[frozenset[str], ...]
    ignored: frozenset[str]

    def row_of(self, module: str) -> int | None:
        """Return the index of a module's layer, None for a module outside of all layers."""
        room = module.removeprefix(f"{self.container}.").split(".")[0]
        return next((index for index, row in enumerate(self.rows) if room in row), None)


def modules_below(source: Path) -> dict[str, Path]:
    """Return the files below a `src` directory by module name."""
    modules = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        if "resources" not in parts:
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imports_of(module: str, path: Path, known: set[str]) -> set[Import]:
    """Return every import of a module of ours in one file."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    tree = ast.parse(path.read_text())
    programs = {id(word) for node in ast.walk(tree) for word in _programs(node)}
    for node in ast.walk(tree):
        for name in _named(node, package, known):
            if name != module and id(node) not in programs:
                found.add(Import(module, name, node.lineno))
    return found


def _programs(node: ast.AST) -> list[ast.expr]:
    """Return what stands behind `-m` in a list: a program that is started, in a process of its own."""
    words = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return [word for flag, word in pairwise(words) if isinstance(flag, ast.Constant) and flag.value == "-m"]


def _named(node: ast.AST, package: str, known: set[str]) -> list[str]:
    """Return the modules of ours that one node of a syntax tree names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in known]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            base = ".".join(
                [*package.split(".")[: len(package.split(".")) - node.level + 1], *([base] if base else [])]
            )
        inner = [f"{base}.{alias.name}" for alias in node.names]
        return [name if name in known else base for name in inner if name in known or base in known]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        match = REFERENCE.fullmatch(node.value)
        if match and ("." in match["module"]):
            name = f"{package}{match['module']}" if match["module"].startswith(".") else match["module"]
            return [name] if name in known else []
    return []


def circles(imports: set[Import]) -> list[list[str]]:
    """Return the strongly connected groups of more than one file (Tarjan's algorithm), each sorted."""
    edges: dict[str, set[str]] = {}
    for one in imports:
        edges.setdefault(one.source, set()).add(one.target)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return groups


def upward(imports: set[Import], layers: Layers) -> list[Import]:
    """Return the imports that go up a layer or sideways between independent rooms."""
    wrong = []
    for one in imports:
        if not all(name.startswith(f"{layers.container}.") for name in (one.source, one.target)):
            continue
        source, target = layers.row_of(one.source), layers.row_of(one.target)
        rooms = {name.removeprefix(f"{layers.container}.").split(".")[0] for name in (one.source, one.target)}
        if source is not None and target is not None and len(rooms) > 1 and target <= source:
            wrong.append(one)
    return sorted(wrong)


def unplaced(modules: set[str], layers: Layers) -> list[str]:
    """Return the rooms of a wheel that its contract does not name."""
    prefix = f"{layers.container}."
    rooms = {module.removeprefix(prefix).split(".")[0] for module in modules if module.startswith(prefix)}
    return sorted(room for room in rooms - layers.ignored if layers.row_of(prefix + room) is None)


def into_siblings(imports: set[Import]) -> list[Import]:
    """Return the imports of a sibling wheel's inner modules: its root package is its face.

    terok_util is the library of all wheels: each of its modules is public.
    """
    crossing = (one for one in imports if one.source.split(".")[0] != one.target.split(".")[0])
    return sorted(one for one in crossing if "." in one.target and not one.target.startswith("terok_util."))


def contracts(pyproject: dict[str, object]) -> list[Layers]:
    """Return the contracts of layers inside a wheel that a parsed `pyproject.toml` holds."""
    found = []
    for contract in pyproject["tool"]["importlinter"]["contracts"]:  # type: ignore[index]
        for container in contract.get("containers", ()):
            rows = tuple(frozenset(re.findall(r"\w+", row)) for row in contract["layers"])
            found.append(Layers(container, rows, frozenset(contract.get("exhaustive_ignores", ()))))
    return found


def problems(sources: list[Path], layers: list[Layers]) -> list[str]:
    """Return what is wrong with the wheels whose `src` directories are given, a line each."""
    modules = {name: path for source in sources for name, path in modules_below(source).items()}
    imports = {one for name, path in modules.items() for one in imports_of(name, path, set(modules))}
    lines = [f"a circle of files: {', '.join(group)}" for group in circles(imports)]
    for contract in layers:
        lines += [f"{one.source}:{one.line}: imports upwards: {one.target}" for one in upward(imports, contract)]
        lines += [f"{contract.container}.{room}: is in no layer" for room in unplaced(set(modules), contract)]
    lines += [f"{one.source}:{one.line}: imports inside a sibling: {one.target}" for one in into_siblings(imports)]
    return lines


def repository_problems() -> list[str]:
    """Return what is wrong in this repository."""
    layers = contracts(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    return problems(sorted(ROOT.glob("packages/*/src")), layers)
