"""The options of a demonstration, and everything its run needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from terok.demo.scene import DemoTarget
from terok.integrations.executor import AgentRunner
from terok.integrations.sandbox import SandboxConfig, mirror_path, scope_for
from terok.stub import Pause, Recorder


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The agent, the real provider or the stub, the base image, and whether to keep everything for inspection."""

    agent: str = "demo"
    live: bool = False
    base: str | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a run needs, ready: `seen` and `pause` are the stub's, None against the real provider."""

    options: DemoOptions
    config: SandboxConfig
    runner: AgentRunner
    provider: str
    key: str
    repository: Path
    prompt: str
    target: DemoTarget
    pause: Pause | None
    seen: Recorder | None

    @property
    def mirror(self) -> Path:
        """The gate's mirror of the scratch repository."""
        return mirror_path(self.config.gate_base_path, scope_for(str(self.repository)))
