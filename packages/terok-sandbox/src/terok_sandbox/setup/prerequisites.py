"""Check that a host has everything setup needs; each missing thing comes with the step that provides it."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from terok_util.process import ProcessError, find_tool

from terok_sandbox.errors import SandboxError
from terok_sandbox.runtime.engine import podman
from terok_sandbox.runtime.probe import has_init, parse_version
from terok_sandbox.values.host import MIN_PODMAN

MIN_SUBIDS: Final = 65536


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One thing looked at. `hint` says what to do when it is not `ok`; one that is not `required` only warns."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    required: bool = True


def check_prerequisites(podman_version: str | None = None) -> list[Prerequisite]:
    """Look at everything a sandboxed container needs from the host; Podman is asked for its version unless given."""
    rootless = os.geteuid() != 0
    checks = [_podman(podman_version), _program("nft", "nftables"), _program("git", "git")]
    if rootless:
        checks += [_uidmap(), *_subids(), _runtime_dir(), _tun()]
    return [*checks, _network(), _init()]


def subid_count(lines: Iterable[str], user: str, uid: int) -> int:
    """Return how many IDs the lines of `/etc/subuid` or `/etc/subgid` give `user`; unreadable lines give none."""
    total = 0
    for line in lines:
        owner, _, rest = line.strip().partition(":")
        start, _, count = rest.partition(":")
        if owner in (user, str(uid)) and start.isascii() and start.isdigit() and count.isascii() and count.isdigit():
            total += int(count[:12])
    return total


def _find(name: str) -> str | None:
    """Return the path of a program, `None` if it is not installed."""
    try:
        return find_tool(name)
    except ProcessError:
        return None


def _podman(known: str | None = None) -> Prerequisite:
    hint = "install podman 4.3 or newer"
    if _find("podman") is None:
        return Prerequisite("podman", ok=False, detail="not installed", hint=hint)
    try:
        text = known or podman(["--version"], timeout=30).text.split()[-1]
        version = parse_version(text)
    except (SandboxError, ValueError, IndexError):
        return Prerequisite("podman", ok=False, detail="does not tell its version", hint=hint)
    return Prerequisite("podman", ok=version[:2] >= MIN_PODMAN, detail=text, hint=hint)


def _program(name: str, package: str) -> Prerequisite:
    path = _find(name)
    return Prerequisite(name, ok=path is not None, detail=path or "not installed", hint=f"install {package}")


def _uidmap() -> Prerequisite:
    missing = [tool for tool in ("newuidmap", "newgidmap") if _find(tool) is None]
    detail = f"{', '.join(missing)} missing" if missing else "newuidmap, newgidmap"
    return Prerequisite("uidmap", ok=not missing, detail=detail, hint="install uidmap (shadow-utils)")


def _subids() -> list[Prerequisite]:
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    checks = []
    for name, label in (("subuid", "subordinate user IDs"), ("subgid", "subordinate group IDs")):
        try:
            count = subid_count(Path("/etc", name).read_text(errors="replace").splitlines(), user, uid)
        except OSError:
            count = 0
        hint = f"run `sudo usermod --add-{name}s 100000-165535 {user}`, then `podman system migrate`"
        checks.append(Prerequisite(label, ok=count >= MIN_SUBIDS, detail=f"{count} IDs for {user}", hint=hint))
    return checks


def _runtime_dir() -> Prerequisite:
    path, private = os.environ.get("XDG_RUNTIME_DIR", ""), False
    try:
        info = Path(path).stat()
        private = stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o077
        detail = path if private else f"{path} is not a directory of yours with mode 0700"
    except OSError as error:
        detail = f"{path}: {error.strerror}"
    hint = "log in anew, or set it to a directory of yours with mode 0700 on a tmpfs"
    return Prerequisite("XDG_RUNTIME_DIR", ok=bool(path) and private, detail=detail if path else "not set", hint=hint)


def _tun() -> Prerequisite:
    usable = os.access("/dev/net/tun", os.R_OK | os.W_OK)
    detail = "usable" if usable else "missing or not writable"
    return Prerequisite("/dev/net/tun", ok=usable, detail=detail, hint="run `sudo chmod 0666 /dev/net/tun`")


def _network() -> Prerequisite:
    programs = [tool for tool in ("pasta", "slirp4netns") if _find(tool)]
    hint = "install passt (Podman 5) or slirp4netns (Podman 4)"
    return Prerequisite(
        "container network", ok=bool(programs), detail=", ".join(programs) or "neither found", hint=hint
    )


def _init() -> Prerequisite:
    detail = "present" if has_init() else "missing: containers run without an init process"
    return Prerequisite("catatonit", ok=has_init(), detail=detail, hint="install catatonit", required=False)
