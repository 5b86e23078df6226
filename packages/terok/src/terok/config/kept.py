"""Settings remembered for the next process, which need not parse YAML or import pydantic then."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from terok_util import namespace_state_dir, remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from terok.config.layers import Source

_VARIANTS = 16
"""Values that are kept of one project with presets and options of its runs."""


def kept(
    name: str,
    make: Callable[[], Any],
    *,
    sources: Iterable[Source],
    more: Any = None,
    kinds: Mapping[str, type],
    variant: str = "",
) -> Any:
    """Return what `make` returns, or returned in an earlier process from the same sources and `more`, JSON values."""
    suffix = f".{sum(variant.encode()) % _VARIANTS}" if variant else ""
    file = namespace_state_dir("cache") / f"{name}{suffix}.json"
    depends_on = [*((str(one.path), one.content) for one in sources), ("more", json.dumps(more).encode())]
    return remembered(file, make, sources=depends_on, kinds=kinds, code=_code())


def _code() -> list[Path]:
    """Return the modules that decide about the value, and those that a new version of the wheels below changes."""
    wheels = [find_spec(name) for name in ("terok_sandbox", "terok_executor")]
    return [
        *sorted(Path(__file__).parent.glob("*.py")),
        *(Path(spec.origin) for spec in wheels if spec and spec.origin),
    ]
