"""The five wheels build, install into five separate empty environments, and answer --help there."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import ROOT, Shell

WHEELS = ("terok-util", "terok-sandbox", "terok-executor", "terok-acp", "terok")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build all wheels once, through their source distributions as a release does."""
    out = tmp_path_factory.mktemp("dist")
    for wheel in WHEELS:
        argv = [sys.executable, "-m", "build", "--no-isolation", "-o", str(out), str(ROOT / "packages" / wheel)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    found = list(out.glob("*.whl"))
    assert len(found) == len(WHEELS)
    named = (f"{wheel.name.partition('-')[0].replace('_', '-')} @ file://{wheel}\n" for wheel in found)
    (out / "constraints.txt").write_text("".join(named))  # these and no others, whatever an index has
    return out


@pytest.mark.timeout(600)
@pytest.mark.parametrize("wheel", WHEELS)
def test_installs_alone_and_answers(built: Path, sh: Shell, tmp_path: Path, wheel: str) -> None:
    venv = tmp_path / "venv"
    sh(sys.executable, "-m", "venv", "--without-pip", str(venv))
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(venv),
        "-q",
        "install",
        "--no-compile",
        "--find-links",
        str(built),
        "--constraint",
        str(built / "constraints.txt"),
    )
    (found,) = built.glob(f"{wheel.replace('-', '_')}-*.whl")
    sh(*pip, str(found), timeout=500)
    module = wheel.replace("-", "_")
    origin = sh(
        str(venv / "bin/python"), "-I", "-c", f"import {module}; print({module}.__file__); {module}.__all__"
    ).out
    assert str(venv) in origin
    scripts = tomllib.loads((ROOT / "packages" / wheel / "pyproject.toml").read_text())["project"].get("scripts", {})
    assert bool(scripts) == (wheel != "terok-util")
    for script in scripts:
        assert "usage:" in sh(str(venv / "bin" / script), "--help").out
        assert sh(str(venv / "bin" / script), "--version").out.strip()
