"""The README's library example, run as it stands but for the agent, the repository and the base image."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from support import BASE, ROOT, Shell
from terok.stub import Script, running_stub

COMMIT = "echo more >> README.md && git commit -qam 'Add a line'"


def test_the_readme_s_example_runs(
    ready: Shell, base_image: str, real_key: str, repository: Path, upstream: Callable[[str, str], None]
) -> None:
    readme = (ROOT / "packages/terok-executor/README.md").read_text()
    example = next(one for one in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "AgentRunner" in one)
    for words, instead in (
        ('"claude"', '"demo"'),
        ('"/path/to/repository"', repr(str(repository))),
        ("mmdebstrap:trixie", BASE),
    ):
        assert words in example
        example = example.replace(words, instead)
    with running_stub(Script((COMMIT,)), api_key=real_key) as stub:
        upstream("demo", stub.url)
        done = ready(sys.executable, "-c", example + "print('name', name)\n", timeout=600)
    name = re.findall(r"^name (.+)$", done.out, re.MULTILINE)[-1]
    ready("terok-executor", "rm", name)
    assert re.search(r"^0$", done.out, re.MULTILINE), "the exit code is printed"
    assert "in the gate: commits on terok/" in done.out
