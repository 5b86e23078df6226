"""Check the language of the source: one dialect of docstrings, messages and exception variables.

What ruff checks is not repeated here. `python tools/dialect.py --comments` prints the share of comment lines by room.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCSTRING_FAULTS = {
    "use `single` backticks for code": re.compile(r"(?<!`)``(?!`)"),
    "write `name` instead of a role such as :class:": re.compile(r":(class|func|meth|mod|attr|exc|data):`"),
    "write `name` instead of *name*": re.compile(r"(?<![\w*/.:\"'`(\[])\*[a-z_]{2,}\*(?![\w*/])"),
    'begin with a verb or a noun, not with "What"': re.compile(r"\AWhat\b"),
}
IS_NO = re.compile(r"(?<![Tt]here )\b(?:is|are|was) no (?!longer\b|more\b|other\b|such\b)[a-z]+")
"""`'12q' is no memory size`: say what is wrong and what to do, `invalid memory size '12q': use …`."""


def sources() -> list[Path]:
    return sorted(ROOT.glob("packages/*/src/**/*.py"))


def all_faults() -> list[str]:
    """Return `name:line: fault` for everything in the source that breaks the dialect."""
    texts = {path.relative_to(ROOT): path.read_text() for path in sources()}
    return [f"{name}:{line}: {fault}" for name, text in texts.items() for line, fault in faults(text)]


def faults(text: str) -> Iterator[tuple[int, str]]:
    """Yield the faults of one module with their lines."""
    for node in ast.walk(ast.parse(text)):
        yield from _faults_of(node)


def _faults_of(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.ExceptHandler) and node.name not in (None, "error"):
        yield node.lineno, f"call the exception `error`, not `{node.name}`"
    for text, line in _docstrings(node):
        for fault, pattern in DOCSTRING_FAULTS.items():
            if pattern.search(text):
                yield line, fault
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := IS_NO.search(node.value)):
        yield node.lineno, f"instead of {match[0]!r}, say what is wrong and what to do"


def _docstrings(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the docstring of a module, class or function, and the strings below its attributes."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        for statement in node.body:
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                yield statement.value.value, statement.lineno


def comment_shares() -> dict[str, tuple[int, int]]:
    """Return the lines with a comment and all lines, by room (the first directory below a package)."""
    shares: dict[str, tuple[int, int]] = {}
    for path in sources():
        parts = path.relative_to(ROOT).parts
        room = "/".join(parts[3:5]) if len(parts) > 5 else parts[3]
        text = path.read_text()
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments = sum(token.type == tokenize.COMMENT and "noqa" not in token.string for token in tokens)
        before = shares.get(room, (0, 0))
        shares[room] = (before[0] + comments, before[1] + text.count("\n"))
    return shares


def main() -> int:
    if "--comments" in sys.argv[1:]:
        shares = comment_shares()
        shares["all"] = (sum(comments for comments, _ in shares.values()), sum(lines for _, lines in shares.values()))
        for room, (comments, lines) in shares.items():
            print(f"{room:28} {comments:5} of {lines:6} lines  {100 * comments / max(1, lines):4.1f} %")
        return 0
    found = all_faults()
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
