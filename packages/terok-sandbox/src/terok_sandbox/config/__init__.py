"""Where the sandbox keeps things, and the sections of `config.yml` it owns."""

from __future__ import annotations

from terok_sandbox.config.model import SandboxConfig

__all__ = ["SandboxConfig"]
