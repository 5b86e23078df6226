"""Put the loose objects of a push on the disk, while git and the inspection read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

BY_GIT: Final = "pack,pack-metadata,reference,-loose-object"
"""What git itself waits for in a push (``core.fsync``): it would wait for each loose object in turn."""


def settle(quarantine: Path) -> None:
    """Return once the disk has every loose object in ``quarantine``; raises OSError when it does not take one."""
    names = [
        f"{place}/{name}"
        for place, _, found in os.walk(quarantine, onerror=_raise)
        for name in found
        if not place.endswith("/pack")
    ]
    for wait in (False, True):  # all are on their way before the first is waited for
        for name in names:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if wait:
                    os.fsync(descriptor)
                else:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def _raise(error: OSError) -> None:
    raise error
