"""Our seccomp profile: Podman's own, tightened. A function of values, with no look at the host.

What is taken away serves attacks on the kernel far more often than agents, and no common tool stops working without it:

- new namespaces and the calls that build a file system tree in one;
- the kernel's keyrings, BPF, `io_uring`, performance events, `userfaultfd`;
- looking into other processes: `ptrace`, `process_vm_readv` and relatives;
- every socket family but Unix, IPv4, IPv6 and three protocols of netlink;
- the processor's other instruction sets, such as 32-bit x86 on x86-64: the kernel has a second, less watched table of
  system calls for each. Without them a filter is built three times as fast, which every launch waits for.

`clone3` answers "no such system call", because its flags are out of a filter's reach: C libraries fall back to
`clone`, whose flags are looked at. The same answer makes callers of `io_uring` fall back. `socketcall`, the
32-bit x86 way to a socket, hides its arguments too and is refused even where 32-bit programs are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Any, Final

from terok_sandbox.errors import SetupError
from terok_sandbox.values.launch import OPT_OUTS, OptOut

EPERM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT = 1, 38, 93, 97

NAMESPACE_FLAGS: Final = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_CLONE_NEWTIME: Final = 0x80  # only for `unshare`: of `clone` the bit belongs to a signal number
MOUNT_CALLS: Final = (
    *("mount", "umount", "umount2", "move_mount", "mount_setattr", "open_tree", "open_tree_attr", "pivot_root"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "statmount", "listmount"),
)
TRACE_CALLS: Final = ("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd")
FORBIDDEN_CALLS: Final = ("add_key", "request_key", "keyctl", "bpf", "userfaultfd")
IO_URING_CALLS: Final = ("io_uring_setup", "io_uring_enter", "io_uring_register")

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_FAMILIES: Final = range(64)
_NETLINK_PROTOCOLS: Final = range(32)
_OPEN_NETLINK_PROTOCOLS: Final = (0, 4, 15)
"""Routes and interfaces, socket statistics, device events: libraries ask for them without any privilege."""
_ADDR_NO_RANDOMIZE: Final = 0x0040000

Profile = dict[str, Any]
_S390: Final = {"arches": ["s390", "s390x"]}


def tighten(base: Mapping[str, Any], opt_outs: Collection[OptOut] = ()) -> Profile:
    """Return Podman's profile `base` without the calls above; SetupError for one that allows calls by default."""
    rules = base.get("syscalls")
    if base.get("defaultAction") not in _REFUSING or not isinstance(rules, list):
        raise SetupError("the seccomp profile does not refuse by default", hint=_HINT)
    added = _rules(opt_outs)
    named = {name for rule in added for name in rule["names"]}
    kept = []
    for rule in rules:
        if not isinstance(rule, dict) or not isinstance(rule.get("names"), list) or "action" not in rule:
            raise SetupError("the seccomp profile has a rule without names or action", hint=_HINT)
        names = [name for name in rule["names"] if name not in named]
        if names:
            kept.append({**rule, "names": names})
    sets = _instruction_sets(base.get("archMap"), opt_outs)
    return {**base, **({"archMap": sets} if sets else {}), "syscalls": [*kept, *added]}


def profile_name(opt_outs: Iterable[str]) -> str:
    """Return the file name of the profile with `opt_outs`."""
    return "+".join(sorted(set(opt_outs))) + ".json" if opt_outs else "default.json"


def all_opt_outs() -> list[tuple[OptOut, ...]]:
    """Return every combination of opt-outs, the empty one first."""
    return [chosen for count in range(len(OPT_OUTS) + 1) for chosen in combinations(OPT_OUTS, count)]


_REFUSING: Final = ("SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD")
_HINT: Final = "check the setting seccomp_profile of containers.conf, or install Podman's own profile again"


def _rules(opt_outs: Collection[OptOut]) -> list[Profile]:
    rules = [
        _refuse(FORBIDDEN_CALLS),
        _refuse(IO_URING_CALLS, ENOSYS),
        _refuse(("socketcall",)),  # before the sockets: their rules would stand for it, without the family
        *_sockets(),
    ]
    if "nested" not in opt_outs:
        rules += [_refuse(("clone3",), ENOSYS), _refuse(("setns",)), _refuse(MOUNT_CALLS), *_no_namespaces()]
    if "debug" in opt_outs:
        rules += [_allow(TRACE_CALLS)]
        rules += [_allow(("personality",), _equal(0, value)) for value in _personalities()]
    else:
        rules += [_refuse(TRACE_CALLS)]
    rules += [_allow(("perf_event_open",)) if "perf" in opt_outs else _refuse(("perf_event_open",))]
    return rules


def _instruction_sets(known: object, opt_outs: Collection[OptOut]) -> object:
    """Return the base's map of architectures, if it has one, with no others beside each unless they are to be kept."""
    if known is None:
        return None
    if not isinstance(known, list) or not all(isinstance(one, dict) for one in known):
        raise SetupError("the seccomp profile maps no architectures", hint=_HINT)
    return known if "32bit" in opt_outs else [{**one, "subArchitectures": []} for one in known]


def _no_namespaces() -> list[Profile]:
    """Let `clone` and `unshare` pass with no namespace among their flags; s390 has them in the second argument."""
    return [
        *({**rule, "excludes": _S390} for rule in _flags_without("clone", 0, NAMESPACE_FLAGS)),
        *({**rule, "includes": _S390} for rule in _flags_without("clone", 1, NAMESPACE_FLAGS)),
        *_flags_without("unshare", 0, (*NAMESPACE_FLAGS, _CLONE_NEWTIME)),
    ]


def _flags_without(call: str, index: int, flags: tuple[int, ...]) -> list[Profile]:
    return [
        _allow((call,), _masked(index, sum(flags), 0)),
        *(_refuse((call,), EPERM, _masked(index, flag, flag)) for flag in flags),
    ]


def _sockets() -> list[Profile]:
    """Allow by family, one rule each: a filter cannot say "none of these"."""
    rules = [_allow(("socket",), _equal(0, family)) for family in (_UNIX, _INET, _INET6)]
    rules += [_allow(("socketpair",), _equal(0, _UNIX))]
    for protocol in _NETLINK_PROTOCOLS:
        both = (_equal(0, _NETLINK), _equal(2, protocol))
        known = protocol in _OPEN_NETLINK_PROTOCOLS
        rules.append(_allow(("socket",), *both) if known else _refuse(("socket",), EPROTONOSUPPORT, *both))
    refused = [family for family in _FAMILIES if family not in (_UNIX, _INET, _INET6, _NETLINK)]
    return rules + [_refuse(("socket",), EAFNOSUPPORT, _equal(0, family)) for family in refused]


def _personalities() -> tuple[int, ...]:
    plain = (0x0, 0x0008, 0x20000, 0x20008)
    return (*plain, *(value | _ADDR_NO_RANDOMIZE for value in plain), 0xFFFFFFFF)


def _allow(names: Iterable[str], *arguments: Profile) -> Profile:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": list(arguments)}


def _refuse(names: Iterable[str], error: int = EPERM, *arguments: Profile) -> Profile:
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": error, "args": list(arguments)}


def _equal(index: int, value: int) -> Profile:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> Profile:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
