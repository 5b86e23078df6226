from __future__ import annotations

from pathlib import Path

import pytest
from terok_util import process


def tool(directory: Path, mode: int = 0o755) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "my-tool"
    path.write_text("#!/bin/sh\necho mine\n")
    path.chmod(mode)
    return path


def test_path_order_and_what_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path / "plain", 0o644)
    (tmp_path / "dir" / "my-tool").mkdir(parents=True)
    wanted = tool(tmp_path / "good")
    monkeypatch.setenv("PATH", f"{tmp_path}/plain:{tmp_path}/dir:{tmp_path}/good")
    assert process.find_tool("my-tool") == str(wanted)
    assert process.find_tool(str(wanted)) == str(wanted)
    assert process.run(["my-tool"], timeout=10).text == "mine\n"


def test_current_directory_is_never_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ":.:")
    with pytest.raises(process.ToolNotFound) as caught:
        process.find_tool("my-tool", hint="make setup")
    assert caught.value.hint == "make setup"
    assert process.find_tool("sh").startswith("/")


@pytest.mark.parametrize("name", ["", "a\0b", "/", "/no/such", "\x1b]0;x\x07"])
def test_odd_names(name: str) -> None:
    with pytest.raises(process.ToolNotFound) as caught:
        process.find_tool(name)
    assert caught.value.message.isprintable()
