"""The few Podman arguments that a user may add; all others are refused.

============== ====================================================== =========================================
argument       value                                                  example
============== ====================================================== =========================================
--label        KEY=VALUE, not beginning with `ai.terok.`            --label team=a
--tmpfs        a container path with size, mode and exec options      --tmpfs /scratch:size=1g
--ulimit       NAME=SOFT[:HARD]                                       --ulimit nofile=1024:4096
--shm-size     a size                                                 --shm-size 256m
--stop-signal  a signal by name                                       --stop-signal SIGINT
--stop-timeout seconds                                                --stop-timeout 30
--oom-score-adj 0 to 1000: only towards being killed first            --oom-score-adj 500
--cpuset-cpus  numbers and ranges of CPUs                             --cpuset-cpus 0-3,6
--cpu-shares   relative weight                                        --cpu-shares 512
--memory-swap  a size                                                 --memory-swap 8g
--umask        four octal digits                                      --umask 0027
============== ====================================================== =========================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from terok_sandbox.errors import SpecError
from terok_sandbox.launch.paths import check_container_path

MANAGED_LABEL_PREFIX: Final = "ai.terok."

_SIZE: Final = re.compile(r"[1-9][0-9]{0,14}[bkmg]?\Z")
_TMPFS_OPTION: Final = r"(?:rw|ro|noexec|nosuid|nodev|exec|size=[0-9]{1,12}[kmg%]?|mode=[0-7]{3,4})"
_VALUES: Final = {
    "--label": re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}=[^\x00-\x1f\x7f\"]{0,1024}\Z"),
    "--tmpfs": re.compile(rf"(?P<target>/[^:,\x00-\x1f\x7f\"\\]*)(?::{_TMPFS_OPTION}(?:,{_TMPFS_OPTION})*)?\Z"),
    "--ulimit": re.compile(r"[a-z]{2,12}=[0-9]{1,19}(?::[0-9]{1,19})?\Z"),
    "--shm-size": _SIZE,
    "--stop-signal": re.compile(r"(?:SIG)?(?:TERM|INT|HUP|QUIT|KILL|USR1|USR2)\Z"),
    "--stop-timeout": re.compile(r"[0-9]{1,4}\Z"),
    "--oom-score-adj": re.compile(r"(?:[0-9]{1,3}|1000)\Z"),
    "--cpuset-cpus": re.compile(r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?){0,63}\Z"),
    "--cpu-shares": re.compile(r"[1-9][0-9]{0,5}\Z"),
    "--memory-swap": _SIZE,
    "--umask": re.compile(r"0[0-7]{3}\Z"),
}
CONTROLLERS: Final = {"--cpuset-cpus": "cpuset", "--cpu-shares": "cpu", "--memory-swap": "memory"}
"""The cgroup controller without which Podman refuses an argument."""


def check_extra_args(arguments: Sequence[str]) -> None:
    """Raise `SpecError` unless `arguments` are allowed flags, `--flag value` or `--flag=value`, each harmless."""
    for flag, value in pairs(arguments):
        pattern = _VALUES.get(flag)
        if pattern is None:
            raise SpecError(
                f"the podman argument {flag[:60]!r} is not passed on", hint=f"allowed: {', '.join(_VALUES)}"
            )
        match = pattern.match(value)
        if match is None:
            raise SpecError(f"the podman argument {flag} has an unusable value {value[:80]!r}")
        if flag == "--label" and value.startswith(MANAGED_LABEL_PREFIX):
            raise SpecError(f"labels that begin with {MANAGED_LABEL_PREFIX} are the sandbox's own")
        if flag == "--tmpfs":
            check_container_path(match["target"])


def pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Split `arguments` into (flag, value); a flag without a value is a `SpecError`."""
    result, words = [], iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if not equals:
            following = next(words, None)
            if following is None:
                raise SpecError(f"the podman argument {flag[:60]!r} has no value")
            value = following
        result.append((flag, value))
    return result
