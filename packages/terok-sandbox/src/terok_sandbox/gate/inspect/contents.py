"""Judge what is in files: attributes, which git itself reads, and what a patch does not show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from terok_sandbox.gate.inspect.autorun import autorun_rule
from terok_sandbox.gate.inspect.paths import folded
from terok_sandbox.gate.inspect.policy import Finding

EXECUTABLE: Final = "100755"
_LOOKED_AT: Final = 8000
"""Bytes in which git looks for a zero byte; with one, it takes a file for binary and shows nothing of it."""
_PROGRAMS: Final = (b"#!", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\0asm", b"dex\n")
_TEXT: Final = re.compile(
    r".*\.(?:bash|bat|c|cc|cfg|cjs|cmd|conf|cpp|cs|css|csv|cts|cxx|env|fish|go|gradle|h|hpp|html?|ini|java|jsx?|json|kts?"
    r"|less|lua|m|md|mjs|mk|mts|nix|php|pl|pm|properties|ps1|pth|py|pyi|r|rb|rs|rst|scala|scss|sh|sql|svg|swift|tcl|tf|toml"
    r"|tsx?|txt|vim|vue|xml|ya?ml|zsh)\Z",
    re.IGNORECASE | re.DOTALL,
)
_PROGRAM: Final = re.compile(rb"(?:^|[ \t\r])(filter|diff|merge)=([^\s]{1,100})", re.MULTILINE)
_BUILT_IN: Final = frozenset(
    {b"text", b"binary", b"union"}
    | {b"ada", b"bash", b"bibtex", b"cpp", b"csharp", b"css", b"dts", b"elixir", b"fortran", b"fountain", b"golang"}
    | {b"html", b"java", b"kotlin", b"markdown", b"matlab", b"objc", b"pascal", b"perl", b"php", b"python", b"ruby"}
    | {b"rust", b"scheme", b"tex"}
)


def judge_attributes(path: str, content: bytes) -> Iterator[Finding]:
    """Yield each line of a `.gitattributes` that names a filter, diff or merge program."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.lstrip(b" \t\r").startswith(b"#"):
            continue
        for kind, name in _PROGRAM.findall(line):
            if kind == b"filter" or name not in _BUILT_IN:
                said = f"{kind.decode()}={name.decode('utf-8', 'backslashreplace')}"
                yield Finding("attributes-filter", path, said, number)


def judge_hidden(path: str, mode: str, content: bytes) -> Iterator[Finding]:
    """Yield a file that a patch does not show, and say what it is."""
    if b"\0" not in content[:_LOOKED_AT]:
        return
    if mode == EXECUTABLE or content.startswith(_PROGRAMS):
        yield Finding("not-shown", path, "a program")
    elif _TEXT.match(path) or autorun_rule(folded(path)):
        yield Finding("not-shown", path, "text with a zero byte in it, which git takes for binary data")
    else:
        yield Finding("not-shown", path, "binary data")
