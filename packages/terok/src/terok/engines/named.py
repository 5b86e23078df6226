"""The engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.errors import TaskError

if TYPE_CHECKING:
    from terok.engines.protocol import Engine
    from terok.engines.values import Say


def engine_named(name: str, say: Say | None = None) -> Engine:
    """Return the engine of this name; TaskError if there is none."""
    if name == "local":
        from terok.engines.local import LocalEngine

        return LocalEngine(say)
    raise TaskError(f"there is no engine {name!r}", hint="tasks run on this machine: `local`")
