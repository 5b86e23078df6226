"""The OCI hook as installed: a copy of the script and the descriptor that makes Podman run it."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Final

from terok_util import TerokError, atomic_write, ensure_dir, remove_tree

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SetupError
from terok_sandbox.vault_addr import SIDECAR_ANNOTATION

MODULE: Final = "terok_sandbox_hook"
SCRIPT: Final = f"{MODULE}.py"
PROGRAM: Final = "terok-sandbox-hook"
"""A link to the interpreter: crun says of a hook that failed nothing but this name."""
DESCRIPTOR: Final = "terok-sandbox-createRuntime.json"
_SYSTEM_PYTHON: Final = "/usr/bin/python3"


def hook_source() -> bytes:
    """Return the hook script this package ships."""
    return (Path(__file__).parents[1] / "supervise/hook.py").read_bytes()


def hook_python() -> str:
    """Return an interpreter for the hook that outlives a virtual environment: the one it was made from.

    The unversioned system name is preferred, so that an upgrade of the distribution leaves the hook working.
    """
    base = os.path.realpath(sys.executable)
    return _SYSTEM_PYTHON if os.path.realpath(_SYSTEM_PYTHON) == base else base


def descriptor(script: Path) -> str:
    """Return the OCI hook descriptor for `script`: createRuntime, for containers that carry our annotation."""
    # imported, because only an imported module's compiled form is kept
    program = f"import sys; sys.path.append({str(script.parent)!r}); from {MODULE} import main; sys.exit(main())"
    document = {
        "version": "1.0.0",
        "hook": {"path": str(script.parent / PROGRAM), "args": ["python3", "-I", "-S", "-c", program]},
        "when": {"annotations": {f"^{re.escape(SIDECAR_ANNOTATION)}$": ".+"}},
        "stages": ["createRuntime"],
    }
    return json.dumps(document, indent=1) + "\n"


def install_hooks(config: SandboxConfig) -> None:
    """Write script and descriptor, the descriptor last: Podman never sees one whose script is missing."""
    script, text = _expected(config)
    try:
        ensure_dir(config.hooks_dir)
        remove_tree(config.hooks_dir / "__pycache__")
        atomic_write(config.hooks_dir / SCRIPT, script, mode=0o600)
        _link(config.hooks_dir / PROGRAM, hook_python())
        atomic_write(config.hooks_dir / DESCRIPTOR, text, mode=0o600)
    except (OSError, TerokError) as error:
        raise SetupError(f"{config.hooks_dir}: cannot write the hook: {error}") from error


def remove_hooks(config: SandboxConfig) -> bool:
    """Remove descriptor and script; returns whether there was something to remove."""
    existed = False
    for name in (DESCRIPTOR, SCRIPT, PROGRAM):
        path = config.hooks_dir / name
        existed |= os.path.lexists(path)
        path.unlink(missing_ok=True)
    remove_tree(config.hooks_dir / "__pycache__")
    return existed


def problem_with_hooks(config: SandboxConfig) -> str:
    """Return what keeps the installed hook from being this package's own, empty if nothing does."""
    script, text = _expected(config)
    try:
        if (config.hooks_dir / SCRIPT).read_bytes() != script:
            return "the installed hook is not the one of this version"
        if (config.hooks_dir / DESCRIPTOR).read_text(encoding="utf-8") != text:
            return "the installed hook descriptor is not the one of this version"
        if str((config.hooks_dir / PROGRAM).readlink()) != hook_python():
            return "the installed hook is run by another Python"
    except (OSError, ValueError):
        return "the hook is not installed"
    if not os.access(json.loads(text)["hook"]["path"], os.X_OK):
        return "the hook's Python interpreter is gone"
    return ""


def _link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, at one stroke."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def _expected(config: SandboxConfig) -> tuple[bytes, str]:
    return hook_source(), descriptor(config.hooks_dir / SCRIPT)
