from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from terok_util import ConfigError, ConfigScope, YAMLError, load_json_scope, load_yaml_scope
from terok_util.config import scopes

Loader = Callable[[str, Path], ConfigScope]


@pytest.mark.parametrize("load", [load_yaml_scope, load_json_scope])
def test_absent_empty_and_unusable_files(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    assert load("user", path) == ConfigScope("user", path, {})
    path.write_text("\n")
    assert load("user", path).data == {}
    path.write_text("[1]")
    with pytest.raises(ConfigError, match="must be a mapping of sections, not a list"):
        load("user", path)
    path.write_text('{"a": [')
    with pytest.raises(ConfigError, match=rf"{path}:1: "):
        load("user", path)
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match=str(path)):
        load("user", path)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load("user", path)
    monkeypatch.setattr(scopes, "MAX_FILE_BYTES", 10)
    path.write_text("a" * 11)
    with pytest.raises(ConfigError, match="larger than 10 bytes"):
        load("user", path)
    with pytest.raises(ConfigError, match="cannot read"):
        load("user", tmp_path)


def test_values(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('\ufeff{"a": {"b": [1, null]}}')
    assert load_json_scope("x", path).data == load_yaml_scope("x", path).data == {"a": {"b": [1, None]}}
    path.write_text("a:\n  b: [1]\n1: x\n")
    with pytest.raises(ConfigError, match="section names are text"):
        load_yaml_scope("x", path)
    path.write_text("a: 1\n  b: 2\n")
    with pytest.raises(YAMLError, match=f"{path}:2"):
        load_yaml_scope("x", path)
