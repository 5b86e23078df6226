from __future__ import annotations

from pathlib import Path

import pytest


class Host:
    """A host of one user: files of its layers by short names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "state" / "sandbox").mkdir(mode=0o700, parents=True)

    def write(self, layer: str, text: str) -> Path:
        """Write `system`, `user`, `projects/NAME`, or a file by its path below the configuration directory."""
        names = {"system": "etc/config.yml", "user": "config/config.yml"}
        name = f"config/{layer}/project.yml" if layer.startswith("projects/") and layer.count("/") == 1 else ""
        path = self.root / (names.get(layer) or name or f"config/{layer}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for name in ("TEROK_SANDBOX_STATE_DIR", "TEROK_VAULT_DIR", "TEROK_EXECUTOR_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    return Host(tmp_path)
