"""The most a request may cost, estimated from its path and body before its last byte leaves. Pure.

What the body does not say, or hides, is assumed: the longest prompt, the longest answer, the dearest model.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

from terok_sandbox.vault.usage.answers import MAX_COUNT, MAX_MODEL, Usage, intricate
from terok_sandbox.vault.usage.prices import Prices

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of a request's body that are read for what it asks for; of a longer one nothing is known but its size."""
BYTES_PER_TOKEN: Final = 2
"""For a prompt that was not counted: text of many kinds has twice as many, and pictures have far more."""
LONGEST_ANSWER: Final = 128_000
"""Tokens of an answer of which the request does not say how long it may be."""
MAX_CHOICES: Final = 128
_INFERENCE: Final = frozenset({"messages", "responses", "completions", "embeddings", "complete", "compact",
                               "conversations"})  # fmt: skip
_VERBS: Final = (":generatecontent", ":streamgeneratecontent", ":embedcontent", ":batchembedcontents")
_FREE: Final = frozenset({"count_tokens", "input_tokens", "cancel", "files", "moderations", "tokenize"})
_FREE_VERBS: Final = (":counttokens",)
_UNPRICED_SOCKETS: Final = ("realtime", "bidigeneratecontent")
_LENGTHS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxoutputtokens")
_CHOICES: Final = ("n", "best_of", "candidatecount")
_PATH_MODEL = re.compile(r"/models/([^/:]{1,128}):")
# Prompts that stand elsewhere: in an earlier answer, a conversation, a file, a cache, behind an address. Each with what
# must be there for it: looking for that is fast.
_REFERENCES: Final = tuple(
    (literal, re.compile(pattern))
    for literal, pattern in (
        *((key, rb'"%b"\s*:\s*\[?\s*"' % key) for key in (
            b"previous_response_id", b"conversation", b"file_id", b"file_ids", b"file_url", b"fileUri", b"file_uri",
            b"cachedContent", b"cached_content")),
        (b'"image_url"', rb'"image_url"\s*:\s*(?:\{[^{}]{0,200}"url"\s*:\s*)?"(?!data:)'),
        (b'"url"', rb'"type"\s*:\s*"url"'),
    )
)  # fmt: skip
# A key that is spelled with escapes hides what it is from a search.
_HIDDEN_KEY = re.compile(rb'\\u00[2-7][0-9A-Fa-f][^"\\]*"\s*:')


def _last(path: str, number: int = 1) -> str:
    """Return the last segment of a path, or the one with that number from its end."""
    parts = unquote(path).lower().rstrip("/").split("/")
    return parts[-number] if len(parts) >= number else ""


def is_inference(method: str, path: str) -> bool:
    """Tell whether a request is one that vendors bill by tokens, however its path is spelled."""
    above, last = _last(path, 2), _last(path)
    return method == "POST" and (last in _INFERENCE or above == "conversations" or last.endswith(_VERBS))


def is_unpriced(method: str, path: str) -> bool:
    """Tell whether a request to a vendor of models may cost something that cannot be told from it or its answer."""
    last = _last(path)
    if method == "GET":
        return last.endswith(_UNPRICED_SOCKETS)
    return method == "POST" and not (is_inference(method, path) or last in _FREE or last.endswith(_FREE_VERBS))


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """The most that one request may use: `usage` without the model, which may be any of `models`.

    `later` says that the answer may be made after the request has ended, `background` that it was asked for so.
    """

    usage: Usage
    models: tuple[str, ...]
    later: bool = False
    background: bool = False

    def dearest(self, prices: Prices, vendor: str) -> tuple[Usage, int, bool]:
        """Return the usage with the dearest model, what that costs in billionths of a USD, and whether it is known."""
        found = []
        for model in self.models:
            price = prices.find(model)
            usage = self._with(model, price.context if price is not None else None)
            found.append((*prices.cost(usage, vendor), usage))
        cost, known, usage = max(found, key=lambda one: one[0])
        return usage, cost, known

    def _with(self, model: str, context: int | None) -> Usage:
        usage = self.usage
        limit = MAX_COUNT if context is None else context
        sizes = {kind: min(getattr(usage, kind), limit) for kind in ("input", "cache_write", "cache_write_1h")}
        return Usage(model, output=usage.output, tier=usage.tier, **sizes)


def estimate_request(path: str, body: bytes | None, size: int, longest_prompt: int) -> RequestEstimate:
    """Estimate a request; `body` is None if it is too long to be kept, and then only `size` counts."""
    text = None if body is None else _plain(body)
    document = None if text is None else _parsed(text)
    models = _PATH_MODEL.findall(unquote(path))
    if text is None or document is None:
        return RequestEstimate(Usage(input=longest_prompt, output=LONGEST_ANSWER), ("", *models), later=True)
    wrapped = document.get("response")
    if document.get("type") == "response.create" and isinstance(wrapped, dict):
        document |= _lowered(wrapped)
    elsewhere = any(isinstance(document.get(key), dict) for key in ("conversation", "prompt"))
    prompt = max(len(text), size) // BYTES_PER_TOKEN
    if elsewhere or _refers(text):
        prompt = longest_prompt
    kind = "input"
    if b'"cache_control"' in text:
        kind = "cache_write_1h" if b'"1h"' in text else "cache_write"
    tier = "fast" if document.get("speed") == "fast" else document.get("service_tier", document.get("servicetier"))
    usage = Usage(output=_longest(path, document), tier=tier if isinstance(tier, str) else "")
    usage = replace(usage, **{kind: prompt})  # type: ignore[arg-type]
    if isinstance(model := document.get("model"), str):
        models.append(model[:MAX_MODEL])
    background = document.get("background") not in (None, False)
    return RequestEstimate(usage, tuple(models) or ("",), later=background, background=background)


def _refers(text: bytes) -> bool:
    """Tell whether a part of the prompt stands elsewhere, or may."""
    if b"\\u00" in text and _HIDDEN_KEY.search(text):
        return True
    return any(literal in text and pattern.search(text) for literal, pattern in _REFERENCES)


def _longest(path: str, document: dict[str, Any]) -> int:
    if "embed" in _last(path):
        return 0
    inner = document.get("generationconfig", document.get("generation_config"))
    places = [document, *([_lowered(inner)] if isinstance(inner, dict) else [])]
    longest: int = max((place[key] for place in places for key in _LENGTHS if type(place.get(key)) is int),
                  default=LONGEST_ANSWER)  # fmt: skip
    choices: list[int] = [place[key] for place in places for key in _CHOICES if type(place.get(key)) is int]
    return min(max(0, longest), LONGEST_ANSWER) * min(max([1, *choices]), MAX_CHOICES)


def _plain(body: bytes) -> bytes | None:
    """Undo gzip; None for what is compressed in another way or decodes to more than MAX_BODY."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = decoder.decompress(body, MAX_BODY)
    except zlib.error:
        return None
    return text if decoder.eof and not decoder.unused_data else None


def _parsed(text: bytes) -> dict[str, Any] | None:
    """Return an object with its keys in lower case, None for anything that two readers might take differently."""
    if intricate(text):
        return None
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    lowered = _lowered(document)
    return lowered if len(lowered) == len(document) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _lowered(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object by its keys in lower case: some readers do not tell cases apart."""
    return {key.lower(): value for key, value in document.items()}
