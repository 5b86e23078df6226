"""The system calls an agent does not need are refused, tried one by one from inside; ordinary tools do not notice."""

from __future__ import annotations

import json
import platform
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, Done, Shell, needs

NAMES = (
    *("clone", "ptrace", "pivot_root", "mount", "add_key", "request_key", "keyctl", "unshare", "perf_event_open"),
    *("setns", "process_vm_readv", "kcmp", "bpf", "userfaultfd", "socket"),
)
X86_64 = (56, 101, 155, 165, 248, 249, 250, 272, 298, 308, 310, 312, 321, 323, 41)
AARCH64 = (220, 117, 41, 40, 217, 218, 219, 97, 241, 268, 270, 272, 280, 282, 198)
EVERYWHERE = {"io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "clone3": 435}
NUMBERS = {
    **EVERYWHERE,
    "pidfd_getfd": 438,
    **dict(zip(NAMES, AARCH64 if platform.machine() == "aarch64" else X86_64, strict=True)),
}

PROBE = """
import ctypes, errno, json, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(word) for word in arguments])
    return "ok" if done >= 0 else errno.errorcode[ctypes.get_errno()]
print(json.dumps([call(*words) for words in json.loads(sys.argv[1])]))
"""
GETPID_OF_32_BIT = """
import ctypes, mmap, os
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20; int 0x80; ret
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))() == os.getpid())
"""
TOOLS = """
set -e
cd /tmp && git init -q repository && cd repository && touch file && git add file
git -c user.name=A -c user.email=a@example.test commit -q -m start && git clone -q . ../copy
python3 -c 'import threading; t = [threading.Thread(target=print) for _ in range(20)]; [x.start() for x in t]'
python3 -c 'import asyncio, concurrent.futures as f; print(list(f.ProcessPoolExecutor(2).map(abs, range(9))))'
python3 -c 'import subprocess; subprocess.run(["true"], check=True); import socket; socket.socketpair()'
apt-get check && dpkg --audit && apt-cache policy git && perl -e 'print fork() ? "" : ""'
tar cf - . | gzip | gzip -d | tar tf - && getent hosts localhost && ls -l /proc/self/fd
"""

Answers = Callable[[str, list[list[int]]], list[str]]


@pytest.fixture(scope="module")
def image(ready: Shell) -> str:
    """Return an image with Python and git."""
    ready("terok-executor", "build", "demo", "--base", BASE, timeout=1200)
    return "localhost/terok-l0:mmdebstrap-trixie"


@pytest.fixture(scope="module")
def python(ready: Shell, image: str) -> Iterator[Callable[..., Done]]:
    """Run Python in a container with an opt-out ("" for none), as the agent's user."""
    names: dict[str, str] = {}

    def run(opt_out: str, *words: str) -> Done:
        if opt_out not in names:
            names[opt_out] = f"it-{secrets.token_hex(4)}"
            kept = ["--opt-out", opt_out] if opt_out else []
            ready("terok-sandbox", "run", "-d", "--name", names[opt_out], *kept, image, "--", "sleep", "600")
        return ready("podman", "exec", "--user", "1000", names[opt_out], "python3", "-c", *words, code=None)

    yield run
    if names:
        ready("terok-sandbox", "rm", *names.values(), code=None)


@pytest.fixture(scope="module")
def answers(python: Callable[..., Done]) -> Answers:
    """Make system calls; return their errors."""
    return lambda opt_out, calls: list(python(opt_out, PROBE, json.dumps(calls)).json())


CALLS = {
    **{call: ([NUMBERS[call]], "EPERM") for call in ("keyctl", "add_key", "request_key", "bpf", "userfaultfd")},
    **{call: ([NUMBERS[call]], "EPERM") for call in ("perf_event_open", "setns", "mount", "move_mount", "fsopen")},
    **{call: ([NUMBERS[call]], "EPERM") for call in ("open_tree", "pivot_root", "ptrace", "process_vm_readv", "kcmp")},
    "pidfd_getfd": ([NUMBERS["pidfd_getfd"]], "EPERM"),
    "io_uring_setup": ([NUMBERS["io_uring_setup"], 1, 0], "ENOSYS"),
    "clone3": ([NUMBERS["clone3"]], "ENOSYS"),
    "clone with a user namespace": ([NUMBERS["clone"], 0x10000011, 0, 0, 0, 0], "EPERM"),
    "unshare of a user namespace": ([NUMBERS["unshare"], 0x10000000], "EPERM"),
    "unshare of a network namespace": ([NUMBERS["unshare"], 0x40000000], "EPERM"),
    "unshare of a time namespace": ([NUMBERS["unshare"], 0x80], "EPERM"),
    "unshare of files": ([NUMBERS["unshare"], 0x400], "ok"),
    "AF_ALG": ([NUMBERS["socket"], 38, 5, 0], "EAFNOSUPPORT"),
    "AF_ALG in disguise": ([NUMBERS["socket"], 38 + (1 << 32), 5, 0], "ENOSYS"),
    "AF_VSOCK": ([NUMBERS["socket"], 40, 1, 0], "EAFNOSUPPORT"),
    "AF_PACKET": ([NUMBERS["socket"], 17, 3, 0], "EAFNOSUPPORT"),
    "AF_KEY": ([NUMBERS["socket"], 15, 3, 2], "EAFNOSUPPORT"),
    "AF_XDP": ([NUMBERS["socket"], 44, 3, 0], "EAFNOSUPPORT"),
    "nftables": ([NUMBERS["socket"], 16, 3, 12], "EPROTONOSUPPORT"),
    "routes": ([NUMBERS["socket"], 16, 3, 0], "ok"),
    "IPv4": ([NUMBERS["socket"], 2, 1, 0], "ok"),
    "IPv6": ([NUMBERS["socket"], 10, 1, 0], "ok"),
}


@pytest.mark.attack("KRN-2")
def test_system_calls(answers: Answers) -> None:
    got = answers("", [words for words, _ in CALLS.values()])
    assert dict(zip(CALLS, got, strict=True)) == {name: expected for name, (_, expected) in CALLS.items()}


@pytest.mark.parametrize(
    ("opt_out", "opened", "closed"),
    [
        ("nested", [NUMBERS["unshare"], 0x10000000], [NUMBERS["ptrace"], 0]),
        ("debug", [NUMBERS["ptrace"], 0], [NUMBERS["unshare"], 0x10000000]),
    ],
)
def test_an_opt_out_opens_what_it_names_only(
    answers: Answers, opt_out: str, opened: list[int], closed: list[int]
) -> None:
    assert answers(opt_out, [opened, closed, [NUMBERS["bpf"]]]) == ["ok", "EPERM", "EPERM"]


@pytest.mark.attack("KRN-2")
def test_another_instruction_set_is_not_there(python: Callable[..., Done]) -> None:
    needs("x86-64", platform.machine() == "x86_64")
    assert python("", GETPID_OF_32_BIT).code == 128 + signal.SIGSYS
    done = python("32bit", GETPID_OF_32_BIT)
    assert done.out.split() == ["True"], done.text


@pytest.mark.parametrize("restricted", [False, True])
def test_ordinary_tools_work(ready: Shell, image: str, container: str, restricted: bool) -> None:
    words = ["--restricted"] if restricted else []
    ready("terok-sandbox", "run", "--name", container, *words, image, "--", "bash", "-c", TOOLS)


def test_the_profile_stays_over_a_restart(ready: Shell, image: str, container: str) -> None:
    ready("terok-sandbox", "run", "-d", "--name", container, image, "--", "sleep", "600")
    ready("podman", "restart", "-t", "0", container)
    done = ready("podman", "exec", container, "python3", "-c", PROBE, json.dumps([[NUMBERS["clone3"]]]))
    assert done.json() == ["ENOSYS"]
    assert "Seccomp:\t2" in ready("podman", "exec", container, "cat", "/proc/1/status").out


def test_a_changed_profile_stops_launches(ready: Shell, image: str, name: str) -> None:
    profile = Path(ready.environment["TEROK_ROOT"]) / "state/sandbox/seccomp/default.json"
    kept = profile.read_bytes()
    try:
        profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
        done = ready("terok-sandbox", "run", "--name", name, image, "--", "true", code=3)
        assert "terok-sandbox setup" in done.err
    finally:
        profile.write_bytes(kept)
