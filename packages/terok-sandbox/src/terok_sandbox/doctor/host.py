"""Checks of the host: prerequisites of the setup, resource limits, free disk and kernel keys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from terok_util import TerokError

from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck, direct_check
from terok_sandbox.runtime.engine import LOST_NAMESPACE
from terok_sandbox.runtime.probe import low_disk
from terok_sandbox.setup.prerequisites import Prerequisite, check_prerequisites
from terok_sandbox.supervise.landlock import describe, supported
from terok_sandbox.values.host import HostFacts

KEYRING_LIMIT: Final = 0.95
"""Share of the user's quota of kernel keys above which starts begin to fail."""
LIMIT_CONTROLLERS: Final = ("cpu", "memory", "pids")
FULL_ABI: Final = 6
"""Landlock ABI from which on files, ports and signals are covered."""
_KEY_USERS: Final = Path("/proc/key-users")


def host_checks(facts: HostFacts | None, answer: TerokError | None) -> Iterator[DoctorCheck]:
    """Yield the checks of this host, of limits only with its `facts`; `answer` is the error of `podman ps`, if any."""
    version = ".".join(map(str, facts.version)) if facts else None
    for item in check_prerequisites(version):
        yield direct_check("host", item.name, _judge(item))
    if podman := shutil.which("podman"):
        yield direct_check(
            "host",
            "Podman answers",
            judge_podman(answer),
            fix=(podman, "system", "migrate"),
            description="give it a new user namespace",
        )
    if facts is not None:
        yield direct_check("host", "resource limits", judge_limits(facts))
        yield direct_check("host", "disk", lambda: _disk(facts))
    yield direct_check("host", "kernel keyring quota", _keyring)
    yield direct_check("host", "Landlock", lambda: judge_landlock(supported()))


def judge_podman(error: TerokError | None) -> CheckVerdict:
    """Tell from how `podman ps` failed, if it did, whether Podman's own remedy is due.

    Podman names it only when no process of any container is left whose namespace it could join, so nothing is stopped.
    """
    if error is None:
        return CheckVerdict("ok", "yes")
    if LOST_NAMESPACE in error.message:
        return CheckVerdict("error", "it has lost its user namespace", hint=f"run `{LOST_NAMESPACE}`", fixable=True)
    return CheckVerdict("error", error.message, hint="see what `podman info` says")


def judge_limits(facts: HostFacts) -> CheckVerdict:
    """Tell which of the limits a launch may ask for have an effect."""
    missing = [name for name in LIMIT_CONTROLLERS if name not in facts.controllers]
    if not missing:
        return CheckVerdict("ok", ", ".join(LIMIT_CONTROLLERS))
    return CheckVerdict(
        "warn",
        f"no limit of {', '.join(missing)}: the controllers are not delegated to this user",
        hint="boot with cgroup v2 alone, and let systemd delegate: Delegate=cpu cpuset io memory pids in user@.service",
    )


def judge_landlock(abi: int) -> CheckVerdict:
    """Tell how the processes that serve containers are confined, given the kernel's Landlock ABI."""
    if abi >= FULL_ABI:
        return CheckVerdict("ok", describe(abi))
    hint = "boot a kernel of 6.12 or newer with landlock among its security modules (see /sys/kernel/security/lsm)"
    return CheckVerdict("warn", f"{describe(abi)}; services are confined less than they could be", hint=hint)


def key_usage(lines: Iterable[str], uid: int) -> float | None:
    """Return the larger share of the key and byte quotas that `uid` uses, from the lines of `/proc/key-users`."""
    for line in lines:
        owner, _, rest = line.partition(":")
        if owner.strip() == str(uid):
            quotas = [part.split("/") for part in rest.split()[2:4]]
            try:
                return max(int(used) / max(int(limit), 1) for used, limit in quotas)
            except ValueError:
                return None
    return None


def _judge(item: Prerequisite) -> CheckVerdict:
    if item.ok:
        return CheckVerdict("ok", item.detail)
    return CheckVerdict("error" if item.required else "warn", item.detail, item.hint)


def _disk(facts: HostFacts) -> CheckVerdict:
    if line := low_disk(facts.store):
        return CheckVerdict("warn", line, hint="remove what is not needed, such as with `podman image prune`")
    return CheckVerdict("ok", "has room for containers")


def _keyring() -> CheckVerdict:
    share = key_usage(_KEY_USERS.read_text().splitlines(), os.geteuid())
    if share is None:
        return CheckVerdict("ok", "no keys in use")
    detail = f"{share:.0%} in use"
    if share < KEYRING_LIMIT:
        return CheckVerdict("ok", detail)
    return CheckVerdict(
        "warn",
        detail,
        hint="set keyring = false under [containers] of containers.conf, or raise the sysctl kernel.keys.maxkeys",
    )
