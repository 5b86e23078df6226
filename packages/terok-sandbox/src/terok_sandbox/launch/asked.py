"""Which `containers.conf` asks for something: the files that Podman reads, in its order."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_SIZE: Final = 1024 * 1024
_SYSTEM: Final = ("/usr/share/containers/containers.conf", "/etc/containers/containers.conf")


def who_asks(settings: Sequence[str], word: str, receipt: Path) -> tuple[Path, str] | None:
    """Return the last file whose section `containers` has one of `settings`, with `word` in it, and which."""
    found = None
    for path in _files(receipt):
        section = _section(path)
        for setting in settings:
            if setting in section and word in json.dumps(section[setting], default=str):
                found = (path, setting)
    return found


def _files(receipt: Path) -> Iterator[Path]:
    """Yield what Podman may read, and what it read at setup: a supervisor does not see the variables of a start."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    bases = [*map(Path, _SYSTEM), home / "containers/containers.conf"]
    yield from (file for base in bases for file in (base, *sorted(Path(f"{base}.d").glob("*.conf"))))
    named = [os.environ.get("CONTAINERS_CONF"), os.environ.get("CONTAINERS_CONF_OVERRIDE")]
    try:
        named.append(json.loads(receipt.read_bytes())["containers_conf"])
    except (OSError, ValueError, KeyError, TypeError):
        named.append(None)
    yield from (Path(name) for name in named if name)


def _section(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            section = tomllib.loads(file.read(_MAX_SIZE).decode()).get("containers")
    except (OSError, ValueError):
        return {}
    return section if isinstance(section, dict) else {}
