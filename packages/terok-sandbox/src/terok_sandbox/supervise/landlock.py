"""Confine this process with the kernel's Landlock, as far as this kernel has it.

A `Confinement` names what stays reachable. Rights that a kernel does not know yet are left out, so that an older kernel
confines less instead of not at all. This needs no privilege, only `no_new_privs`.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_QUERY_VERSION, _RULE_PATH, _RULE_PORT = 1, 1, 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
_FIRST_RIGHTS: Final = (1 << 13) - 1
_RIGHTS_SINCE: Final = ((2, 1 << 13), (3, TRUNCATE), (5, IOCTL_DEV))
_SPECIAL_FILES: Final = 1 << 6 | 1 << 11  # character and block devices are made by nobody
_OF_A_FILE: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READ: Final = READ_FILE | READ_DIR
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_NETWORK_ABI, _SCOPES_ABI = 4, 6
_SCOPES: Final = 3  # abstract Unix sockets and signals stay within the confinement

_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Confinement:
    """The access a process keeps; a path stands for everything below it, one that does not exist is ignored.

    `connect` holds the TCP ports it may connect to, `None` allows all; it may bind none.
    """

    read: tuple[Path, ...] = ()
    execute: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    connect: tuple[int, ...] | None = None


def supported() -> int:
    """Return the kernel's Landlock ABI version; 0 when it has none or has it turned off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_QUERY_VERSION))))


def describe(abi: int) -> str:
    """Return in one line what confinement at `abi` covers."""
    if abi <= 0:
        return "not supported by this kernel"
    parts = ["files"]
    if abi >= _NETWORK_ABI:
        parts.append("TCP ports")
    if abi >= _SCOPES_ABI:
        parts.append("signals")
    return f"Landlock ABI {abi}: {', '.join(parts)}"


def rights(abi: int) -> int:
    """Return every file system right that `abi` can deny."""
    return _FIRST_RIGHTS | sum(right for since, right in _RIGHTS_SINCE if abi >= since)


def rules(allowed: Confinement, abi: int) -> dict[Path, int]:
    """Return the rights to grant by path, as far as `abi` knows them."""
    granted: dict[Path, int] = {}
    everything = rights(abi) & ~EXECUTE & ~_SPECIAL_FILES & ~IOCTL_DEV
    kinds: list[tuple[Iterable[Path], int]] = [
        (allowed.read, _READ),
        (allowed.execute, _READ | EXECUTE),
        (allowed.write, everything),
        (allowed.devices, READ_FILE | WRITE_FILE | IOCTL_DEV),
    ]
    for paths, wanted in kinds:
        for path in paths:
            granted[path] = granted.get(path, 0) | wanted & rights(abi)
    return granted


def enter(allowed: Confinement) -> str:
    """Confine this process and its children to `allowed`, as far as the kernel can; return what that covers."""
    abi = supported()
    if abi == 0:
        return describe(0)
    ruleset = _create(allowed, abi)
    try:
        for path, granted in rules(allowed, abi).items():
            _allow(ruleset, path, granted)
        if abi >= _NETWORK_ABI:
            for port in allowed.connect or ():
                _call(_ADD_RULE, ruleset, _RULE_PORT, struct.pack("=QQ", _CONNECT_TCP, port), 0)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return describe(abi)


def _create(allowed: Confinement, abi: int) -> int:
    attributes = [rights(abi)]
    if abi >= _NETWORK_ABI:
        attributes.append(_BIND_TCP | (0 if allowed.connect is None else _CONNECT_TCP))
    if abi >= _SCOPES_ABI:
        attributes.append(_SCOPES)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    return _call(_CREATE_RULESET, packed, len(packed), 0)


def _allow(ruleset: int, path: Path, granted: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(beneath).st_mode):
                granted &= _OF_A_FILE
            _call(_ADD_RULE, ruleset, _RULE_PATH, struct.pack("=Qi", granted, beneath), 0)
        finally:
            os.close(beneath)


def _call(number: int, *arguments: int | bytes) -> int:
    passed = [
        ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments
    ]
    result = int(_libc.syscall(ctypes.c_long(number), *passed))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
