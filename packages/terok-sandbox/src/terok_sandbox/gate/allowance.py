"""What the processes that take a push may use: memory and processor time, by how many bytes there really are.

A few bytes of a pack can describe a file, a message or a tree of any size, so what is asked for says nothing. A
container can only raise its allowance by filling the disk, which has limits of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024
_LEAST_MEMORY: Final = 256 * _MIB
_MOST_MEMORY: Final = 2 * 1024 * _MIB
_MEMORY_PER_BYTE: Final = 4
_LEAST_SECONDS: Final = 20
_MOST_SECONDS: Final = 1800
_BYTES_PER_SECOND: Final = 4 * _MIB


@dataclass(frozen=True, slots=True)
class Allowance:
    """What each process may allocate (`memory`, bytes) and use of a processor (`seconds`)."""

    memory: int
    seconds: int


def allowance(held: int | None, most_memory: int = _MOST_MEMORY) -> Allowance:
    """Return the allowance for `held` bytes of packed objects; None stands for more than were counted."""
    if held is None:
        return Allowance(most_memory, _MOST_SECONDS)
    memory = min(_LEAST_MEMORY + _MEMORY_PER_BYTE * held, most_memory)
    return Allowance(memory, min(_LEAST_SECONDS + held // _BYTES_PER_SECOND, _MOST_SECONDS))


def held_bytes(mirror: Path, quarantine: Path | None = None) -> int:
    """Return the size of a mirror's packs, and of what a push has brought into its `quarantine`."""
    found = _size(f"{mirror}/objects/pack", ".pack")
    return found if quarantine is None else found + _size(str(quarantine))


def _size(directory: str, suffix: str = "") -> int:
    return sum(
        os.lstat(f"{place}/{name}").st_size
        for place, _, names in os.walk(directory)
        for name in names
        if name.endswith(suffix)
    )
