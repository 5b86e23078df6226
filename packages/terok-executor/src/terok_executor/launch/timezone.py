"""The host's time zone, by the name a container understands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import is_time_zone


def check_timezone(name: str | None, *, known: bool = True) -> str | None:
    """Return the name if it can be one of a time zone; RequestError otherwise.

    If it has to be `known`, it is one that this host has too. What the host itself is set to need not be.
    """
    if name and (not is_time_zone(name) or (known and not _known(name))):
        raise RequestError(f"not a time zone name: {name[:60]!r}", hint="use a name such as Europe/Berlin")
    return name


def _known(name: str) -> bool:
    from zoneinfo import TZPATH, ZoneInfo  # only a run that names a zone needs it

    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # KeyError is ZoneInfoNotFoundError
        return not any(Path(place, "Europe").is_dir() for place in TZPATH)  # a host without zones knows none
    return True


def host_timezone(
    environ: Mapping[str, str] | None = None,
    *,
    named: Path = Path("/etc/timezone"),
    linked: Path = Path("/etc/localtime"),
) -> str | None:
    """Return the IANA name from `TZ`, `/etc/timezone` or the `/etc/localtime` link; None if none says."""
    candidates = [(os.environ if environ is None else environ).get("TZ", "").removeprefix(":")]
    with suppress(OSError, UnicodeDecodeError):
        candidates.append(named.read_text("ascii").strip())
    with suppress(OSError):
        candidates.append(str(linked.readlink()).partition("zoneinfo/")[2])
    return next((text for text in candidates if is_time_zone(text)), None)
