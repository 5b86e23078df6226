"""Check rules that no linter knows: registry hosts, machine paths, sizes, unfinished code, promises, map, dialect."""

from __future__ import annotations

import re
import statistics
import sys
import tomllib
from pathlib import Path

from dialect import all_faults

ROOT = Path(__file__).resolve().parent.parent
SKIPPED_DIRS = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "dist"}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", ".j2", ".txt", ".cfg", ".css", ""}
# Written with classes so that this file does not contain what it looks for.
FORBIDDEN = {
    "a package registry's host name (say @pip, @npm, @apt or read the configuration)": re.compile(
        r"py[p]i\.org|python[h]osted\.org|npm[j]s\.(org|com)|debian\.o[r]g"
    ),
    "a path of one machine": re.compile(r"(?<![\w./-])/(wor[k]|far[m])/"),
    "unfinished code": re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b|raise NotImplemented[E]rror"),
    "a switched-off check without its place in tools/unavailable.toml": re.compile(
        r"pytest\.(mark\.)?(skip(if)?|importorskip|xfai[l])\b"
    ),
}
ALLOWED_SKIP = "tests-integration/support.py"  # the one place that reads tools/unavailable.toml
MAX_LINES = 400
MAX_MEDIAN = 140
WALKS = {"A launch": 51, "A name": 7, "A push": 14, "A request": 16}
"""Files that a newcomer reads, at most, to follow one thing through the code."""


def files() -> list[Path]:
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        left_out = SKIPPED_DIRS.intersection(parts) or parts[0].startswith(".coverage")
        if path.is_file() and not path.is_symlink() and not left_out and path.suffix in TEXT:
            found.append(path)
    return found


def forbidden_text(path: Path) -> list[str]:
    name = str(path.relative_to(ROOT))
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        return []
    return [
        f"{name}:{number}: {what}"
        for number, line in enumerate(lines, 1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line) and not (name == ALLOWED_SKIP and "switched-off" in what)
    ]


def module_sizes() -> list[str]:
    sizes = {path: len(path.read_text().splitlines()) for path in ROOT.glob("packages/*/src/**/*.py")}
    sizes = {path: size for path, size in sizes.items() if size > 1}
    problems = [
        f"{path.relative_to(ROOT)}: {size} lines, at most {MAX_LINES}"
        for path, size in sizes.items()
        if size > MAX_LINES
    ]
    median = statistics.median(sizes.values())
    print(f"{len(sizes)} modules, {sum(sizes.values())} lines, median {median:.0f}")
    if median > MAX_MEDIAN:
        problems.append(f"the median module has {median:.0f} lines, at most {MAX_MEDIAN}")
    tests = sum(
        len(p.read_text().splitlines())
        for g in ("packages/*/tests/**/*.py", "tests-integration/**/*.py")
        for p in ROOT.glob(g)
    )
    print(f"test code: {tests} lines, {tests / max(1, sum(sizes.values())):.2f} of the source")
    return problems


def specification() -> list[str]:
    """Find IDs that stand for two promises, and tests that are named but do not exist."""
    text = (ROOT / "SPECIFICATION.md").read_text()
    ids = re.findall(r"^\| ([A-Z]+\d+) \|", text, re.MULTILINE)
    problems = [
        f"SPECIFICATION.md: {name} stands for two promises" for name in sorted({i for i in ids if ids.count(i) > 1})
    ]
    for reference in re.findall(r"`([^`\s]+)`", text):
        place, _, test = reference.partition("::")
        pattern = f"packages/*/tests/{place}" if place.startswith("unit/") else place
        if not pattern.startswith(("packages/*/tests/", "tests-integration/")):
            continue
        found = list(ROOT.glob(pattern))
        if not found or (test and not any(f"def {test}(" in path.read_text() for path in found if path.is_file())):
            problems.append(f"SPECIFICATION.md: there is no {reference}")
    return problems


def newcomers_map() -> list[str]:
    """Find rooms and files that docs/developer/map.md lacks or invents, and walks that have become too long."""
    text = (ROOT / "docs/developer/map.md").read_text()
    named = set(re.findall(r"`(terok(?:_\w+)?(?:/[\w./-]+)?)`", text))
    rooms = {"/".join(path.parent.relative_to(ROOT).parts[3:]) for path in ROOT.glob("packages/*/src/**/__init__.py")}
    problems = [
        f"docs/developer/map.md: there is no {name}" for name in named if not [*ROOT.glob(f"packages/*/src/{name}")]
    ]
    problems += [f"docs/developer/map.md: the room {room} is missing" for room in rooms - named]
    for walk, most in WALKS.items():
        part = text.partition(f"## {walk}\n")[2].partition("\n## ")[0]
        files = re.findall(r"^\d+\. `", part, re.MULTILINE)
        if not 0 < len(files) <= most:
            problems.append(f"docs/developer/map.md: {walk!r} has {len(files)} files, wanted are 1 to {most}")
    return sorted(problems)


def links() -> list[str]:
    """Find links of documents that lead nowhere."""
    documents = [path for path in files() if path.suffix == ".md"]
    return [
        f"{path.relative_to(ROOT)}: there is no {target}"
        for path in documents
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
        if not (path.parent / target).exists()
    ]


def unavailable_has_reasons() -> list[str]:
    entries = tomllib.loads((ROOT / "tools/unavailable.toml").read_text()).get("unavailable", [])
    return [
        f"tools/unavailable.toml: {entry} lacks a key" for entry in entries if set(entry) != {"needs", "when", "reason"}
    ]


def main() -> int:
    problems = [problem for path in files() for problem in forbidden_text(path)]
    problems += module_sizes() + specification() + links() + newcomers_map() + all_faults() + unavailable_has_reasons()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
