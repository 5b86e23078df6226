"""Usage fields of the vendors, reduced to one form. Pure; anything unexpected in a field counts as nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

MAX_COUNT: Final = 2**40
MAX_MODEL: Final = 128


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one exchange. `input` excludes what was read from or written to the vendor's prompt cache."""

    model: str = ""
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def tokens(self) -> int:
        """All tokens together."""
        return self.input + self.output + self.cache_read + self.cache_write


def usage_of(document: Any, before: Usage | None = None) -> Usage | None:
    """Return the usage after a whole answer, or after one event of a stream that follows `before`.

    Known are Anthropic Messages, OpenAI Responses, OpenAI Chat Completions, Mistral and Gemini. Counts of a stream are
    cumulative: a later event replaces what an earlier one said. None as long as nothing was said.
    """
    if not isinstance(document, dict):
        return before
    holder = next((document[key] for key in ("message", "response") if isinstance(document.get(key), dict)), document)
    usage = holder.get("usage")
    if not isinstance(usage, dict):
        usage = document.get("usage")
    model = holder.get("model", holder.get("modelVersion"))
    known = before or Usage()
    if isinstance(model, str) and model:
        known = replace(known, model=model[:MAX_MODEL])
    if isinstance(holder.get("usageMetadata"), dict):
        usage = holder["usageMetadata"]
        counted = _inclusive(known, usage, "promptTokenCount", "candidatesTokenCount", usage, "cachedContentTokenCount")
        made = _count(usage, "candidatesTokenCount", 0) + _count(usage, "thoughtsTokenCount", 0)
        return replace(counted, output=made or known.output)
    if not isinstance(usage, dict):
        return known if known.model or before else None
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        return _inclusive(known, usage, "prompt_tokens", "completion_tokens", usage.get("prompt_tokens_details"))
    if "input_tokens_details" in usage or document.get("object") == "response" or "response" in document:
        return _inclusive(known, usage, "input_tokens", "output_tokens", usage.get("input_tokens_details"))
    return replace(
        known,
        input=_count(usage, "input_tokens", known.input),
        output=_count(usage, "output_tokens", known.output),
        cache_read=_count(usage, "cache_read_input_tokens", known.cache_read),
        cache_write=_count(usage, "cache_creation_input_tokens", known.cache_write),
    )


def _inclusive(
    known: Usage, usage: dict[str, Any], sent: str, made: str, details: object, read: str = "cached_tokens"
) -> Usage:
    """Read the form in which cached tokens are part of the input; `details` says how many they are under `read`."""
    total = _count(usage, sent, known.input + known.cache_read)
    cached = min(_count(details, read, 0), total) if isinstance(details, dict) else 0
    return replace(known, input=total - cached, cache_read=cached, output=_count(usage, made, known.output))


def _count(usage: dict[str, Any], key: str, otherwise: int) -> int:
    value = usage.get(key)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else otherwise
