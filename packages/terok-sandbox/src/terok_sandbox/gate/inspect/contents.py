"""Judge what is in the files that git itself reads: attributes and submodule lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from terok_sandbox.gate.inspect.rules import Finding

_PROGRAM: Final = re.compile(rb"(?:^|[ \t\r])(filter|diff|merge)=([^\s]{1,100})", re.MULTILINE)
_BUILT_IN: Final = frozenset(
    {b"text", b"binary", b"union"}
    | {b"ada", b"bash", b"bibtex", b"cpp", b"csharp", b"css", b"dts", b"elixir", b"fortran", b"fountain", b"golang"}
    | {b"html", b"java", b"kotlin", b"markdown", b"matlab", b"objc", b"pascal", b"perl", b"php", b"python", b"ruby"}
    | {b"rust", b"scheme", b"tex"}
)


def judge_attributes(path: str, content: bytes) -> Iterator[Finding]:
    """Yield each line of a ``.gitattributes`` that names a filter, diff or merge program."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.lstrip(b" \t\r").startswith(b"#"):
            continue
        for kind, name in _PROGRAM.findall(line):
            if kind == b"filter" or name not in _BUILT_IN:
                said = f"{kind.decode()}={name.decode('utf-8', 'backslashreplace')}"
                yield Finding("attributes-filter", path, said, number)
