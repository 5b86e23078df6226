"""The event that every agent's output is read into."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from terok_util import lean_dataclass

from terok_executor.roster.transcript_format import Kind, Speaker


@lean_dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that a model has taken and given, as the agent counts them."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """One thing that an agent says or does. Everything in it comes from the container: bounded, but not yet safe text.

    `speaker` is `output` for lines that are not of the agent's format: of the start script, or error messages. A tool
    call has the tool's `name`, its arguments as JSON (`input`) and what matters of them as `text`; its result bears the
    same `id`. The `text` of an end is its reason.
    """

    kind: Kind
    text: str = ""
    speaker: Speaker = "agent"
    id: str = ""
    name: str = ""
    input: str = ""
    failed: bool = False
    exit_code: int | None = None
    options: tuple[str, ...] = ()
    tokens: Tokens | None = None
    cost_usd: float | None = None

    def parts(self) -> dict[str, Any]:
        """Return the fields that say something, by name; the kind and the speaker of a message always do."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "kind"}
        said = {name: value for name, value in said.items() if value or (value is not False and value == 0)}
        if self.kind != "message":
            del said["speaker"]
        return {"kind": self.kind, **said}
