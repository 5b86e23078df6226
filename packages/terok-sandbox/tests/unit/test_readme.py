from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import terok_sandbox
from terok_sandbox.config import SandboxConfig
from terok_sandbox.launch.supervision import FakeSupervisor
from terok_sandbox.runtime.fake import FakeRuntime
from terok_sandbox.sandbox import sandbox as facade

README = Path(__file__).parents[2] / "README.md"


def script() -> str:
    blocks = README.read_text().split("```python\n")[1:]
    assert len(blocks) == 1
    return blocks[0].split("```")[0]


def test_the_script_of_the_readme(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = script()
    assert len(text.splitlines()) <= 33
    modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert modules == {"pathlib", "terok_sandbox"}
    sockets = tmp_path_factory.mktemp("r")  # a socket's path may have 107 bytes
    config = SandboxConfig(state_dir=tmp_path / "s", runtime_dir=sockets, vault_dir=tmp_path / "v")
    runtime = FakeRuntime(images={"localhost/app": {}})
    monkeypatch.setattr(facade.Sandbox, "runtime", property(lambda self: runtime))
    monkeypatch.setattr(facade.Sandbox, "supervision", property(lambda self: Finishing()))
    monkeypatch.setattr(facade.SandboxConfig, "load", classmethod(lambda cls: config))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr(sys, "argv", ["launch.py", "localhost/app", str(work), "make", "test"])

    class Finishing(FakeSupervisor):
        def verify(self, *_: object, **__: object) -> str:
            for name in runtime.records:
                runtime.finish(name, exit_code=3)
            return ""

    with pytest.raises(SystemExit) as ended:
        exec(compile(text, "launch.py", "exec"), {"__name__": "__main__"})
    assert ended.value.code == 3
    assert runtime.records == {}
    assert runtime.plans[0].argv[-3:] == ("localhost/app", "make", "test")


def test_the_names_it_uses_are_public() -> None:
    assert {"PolicyTiers", "RunSpec", "Sandbox", "SandboxError", "VolumeSpec", "Wiring"} <= set(terok_sandbox.__all__)
