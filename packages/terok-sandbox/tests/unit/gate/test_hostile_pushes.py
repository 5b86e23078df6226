"""Small packs that describe huge things: what a push of 20 KB can make the gate use."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import http.client
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from terok_sandbox.gate.inspect.objects import ProcessLimits
from terok_sandbox.gate.push_check import IsolatedProcess, limit_to

if TYPE_CHECKING:
    from terok_sandbox.gate.git_gate import GitGate

COMMIT, TREE, BLOB, TAG, DELTA = 1, 2, 3, 4, 7
KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
MOST = 300 * 1024 * 1024
SERVER = """
import re, resource, sys
from pathlib import Path
from terok_sandbox.gate.host_server import GateServer
with GateServer(Path(sys.argv[1]), "proj", "tk-hostile") as server:
    print(server.url, flush=True)
    sys.stdin.read()
assert not {f"terok_sandbox.vault.{name}" for name in ("scrub", "unlock", "store")} & set(sys.modules)
# Not the ru_maxrss of itself: that begins with what the process that started it had.
own = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def number(value: int, first: int | None = None) -> bytes:
    """Return a number as packs spell it, in groups of seven bits, the first four beside the ``first`` kind."""
    groups = []
    if first is not None:
        groups.append(first << 4 | value & 15)
        value >>= 4
    while value or not groups:
        groups.append(value & 127)
        value >>= 7
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


@dataclass
class Pack:
    """Objects of a push, and what its branch ``x`` is to be."""

    entries: list[bytes] = field(default_factory=list)
    tip: str = ""
    names: set[bytes] = field(default_factory=set)

    def add(self, kind: int, content: bytes) -> bytes:
        """Add an object, unless it is there, and return its name."""
        name = hashlib.sha1(b"%s %d\0" % (KINDS[kind], len(content)) + content).digest()
        if name not in self.names:
            self.names.add(name)
            self.entries.append(number(len(content), first=kind) + zlib.compress(content, 9))
        return name

    def grow(self, kind: int, base: bytes, copies: int, tail: bytes = b"") -> bytes:
        """Add the object that repeats ``base`` (an object with at most 16 MiB) and ends in ``tail``, as a delta."""
        size = len(base) * copies + len(tail)
        copy = b"\xf0" + len(base).to_bytes(3, "little")
        delta = number(len(base)) + number(size) + copy * copies + (bytes([len(tail)]) + tail if tail else b"")
        name = self.add(kind, base)
        self.entries.append(number(len(delta), first=DELTA) + name + zlib.compress(delta, 9))
        digest = hashlib.sha1(b"%s %d\0" % (KINDS[kind], size))
        for _ in range(copies):
            digest.update(base)
        digest.update(tail)
        return digest.digest()

    def tree(self, *entries: tuple[bytes, bytes]) -> bytes:
        """Add a directory of (mode and name, object)."""
        return self.add(TREE, b"".join(name + b"\0" + oid for name, oid in entries))

    def commit(self, tree: bytes, *, message: bytes = b"x\n", author: bytes = b"A <a@example.test>") -> None:
        """Add a commit on top of the last one."""
        parent = f"parent {self.tip}\n" if self.tip else ""
        who = b"author %b 1700000000 +0000\ncommitter C <c@example.test> 1700000000 +0000\n\n" % author
        self.tip = self.add(COMMIT, f"tree {tree.hex()}\n{parent}".encode() + who + message).hex()

    def body(self, refs: tuple[bytes, ...] = (b"refs/heads/x",)) -> bytes:
        """Return the request that sets ``refs`` to the tip."""
        lines = [f"{'0' * 40} {self.tip} ".encode() + ref for ref in refs]
        lines[0] += b"\0report-status side-band-64k"
        raw = b"PACK" + (2).to_bytes(4) + len(self.entries).to_bytes(4) + b"".join(self.entries)
        told = b"".join(b"%04x" % (len(line) + 4) + line for line in lines)
        return told + b"0000" + raw + hashlib.sha1(raw).digest()


def wide(pack: Pack) -> bytes:
    """Five commits of 400 directories that share a file with a name of a million characters."""
    blob = pack.add(BLOB, b"x")
    for letter in b"abcde":
        below = pack.tree((b"100644 " + bytes([letter]) * 1_000_000, blob))
        pack.commit(pack.tree(*((b"40000 d%03d" % one, below) for one in range(400))))
    return pack.body()


def long_name(pack: Pack) -> bytes:
    """Fifty directories that share such a file: less than git can hold."""
    below = pack.tree((b"100644 " + b"n" * 1_000_000, pack.add(BLOB, b"x")))
    pack.commit(pack.tree(*((b"40000 d%03d" % one, below) for one in range(50))))
    return pack.body()


def deep(pack: Pack) -> bytes:
    """A chain of directories with a file on each level, under 150 names."""
    blob = pack.add(BLOB, b"x")
    below = pack.tree((b"100644 f", blob))
    for _ in range(220):
        below = pack.tree((b"100644 f", blob), (b"40000 " + b"n" * 150, below))
    pack.commit(pack.tree(*((b"40000 %03d" % one, below) for one in range(150))))
    return pack.body()


def shared(pack: Pack) -> bytes:
    """Nine trees that stand for a billion files."""
    below, mode = pack.add(BLOB, b"x"), b"100644"
    for _ in range(9):
        below, mode = pack.tree(*((b"%b %d" % (mode, one), below) for one in range(10))), b"40000"
    pack.commit(below)
    return pack.body()


def many_changes(pack: Pack) -> bytes:
    """Thousands of commits' worth of files that each have a name of their own, below the limit of one commit."""
    blob = pack.add(BLOB, b"x")
    for commit in range(20):
        below, mode = blob, b"100644"
        for _ in range(4):
            below, mode = pack.tree(*((b"%b %02d" % (mode, one), below) for one in range(13))), b"40000"
        pack.commit(pack.tree((b"40000 %d" % commit, below)))
    return pack.body()


def long_message(pack: Pack) -> bytes:
    """A message of 16 MB."""
    pack.commit(pack.tree((b"100644 f", pack.add(BLOB, b"x"))), message=b"x" * 16_000_000)
    return pack.body()


def long_messages(pack: Pack) -> bytes:
    """A hundred messages of 4 MB."""
    tree = pack.tree((b"100644 f", pack.add(BLOB, b"x")))
    message = b"-eyJ" * 1_000_000
    head = f"tree {tree.hex()}\nauthor A <a@example.test> 1 +0000\ncommitter C <c@example.test> 1 +0000\n\n".encode()
    base = head + message
    name = pack.add(COMMIT, base)
    for one in range(100):
        tail = b"%d\n" % one
        delta = number(len(base)) + number(len(base) + len(tail)) + b"\xf0" + len(base).to_bytes(3, "little")
        delta += bytes([len(tail)]) + tail
        pack.entries.append(number(len(delta), first=DELTA) + name + zlib.compress(delta, 9))
        content = base + tail
        parent = hashlib.sha1(b"commit %d\0" % len(content) + content).hexdigest()
        lines = f"tree {tree.hex()}\nparent {parent}\n" + (f"parent {pack.tip}\n" if pack.tip else "")
        who = b"author A <a@example.test> 1 +0000\ncommitter C <c@example.test> 1 +0000\n\nx\n"
        pack.tip = pack.add(COMMIT, lines.encode() + who).hex()
    return pack.body()


def long_author(pack: Pack) -> bytes:
    """An author whose name has 16 MB."""
    pack.commit(pack.tree((b"100644 f", pack.add(BLOB, b"x"))), author=b"A" * 16_000_000 + b" <a@example.test>")
    return pack.body()


def huge_commit(pack: Pack) -> bytes:
    """A commit of 2 GB, made of copies."""
    tree = pack.tree((b"100644 f", pack.add(BLOB, b"x")))
    who = b"author A <a@example.test> 1 +0000\ncommitter C <c@example.test> 1 +0000\n\n"
    head = f"tree {tree.hex()}\n".encode() + who
    pack.tip = pack.grow(COMMIT, head + b"x" * 8_000_000, 250).hex()
    return pack.body()


def huge_file(pack: Pack) -> bytes:
    """A file of 1.2 GB, made of copies."""
    pack.commit(pack.tree((b"100644 f", pack.grow(BLOB, b"x" * 8_000_000, 150))))
    return pack.body()


def many_refs(pack: Pack) -> bytes:
    """Five thousand branches."""
    pack.commit(pack.tree((b"100644 f", pack.add(BLOB, b"x"))))
    return pack.body(tuple(b"refs/heads/x%d" % one for one in range(5000)))


def long_refs(pack: Pack) -> bytes:
    """Branches whose names have 60,000 characters."""
    pack.commit(pack.tree((b"100644 f", pack.add(BLOB, b"x"))))
    return pack.body(tuple(b"refs/heads/x" + b"%d" % one * 20_000 for one in range(100, 150)))


def nested_tags(pack: Pack) -> bytes:
    """Tags of tags, and a last one with a message of 16 MB."""
    pack.commit(pack.tree((b"100644 f", pack.add(BLOB, b"x"))))
    kind = "commit"
    for one in range(60):
        head = f"object {pack.tip}\ntype {kind}\ntag t\ntagger A <a@example.test> 1700000000 +0000\n\n"
        kind = "tag"
        pack.tip = pack.add(TAG, head.encode() + b"x" * (8_000_000 if one == 59 else 1)).hex()
    return pack.body((b"refs/tags/x",))


SHAPES = [wide, long_name, deep, shared, many_changes, long_message, long_messages, long_author]
SHAPES += [huge_commit, huge_file, many_refs, long_refs, nested_tags]


@pytest.fixture
def measured(gate: GitGate) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve the mirror from a process of its own; yields its URL, and what ends it and tells its peak (bytes)."""
    argv = [sys.executable, "-c", SERVER, str(gate.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()

        def peak() -> int:
            said, _ = server.communicate(timeout=30)
            return int(said) * 1024

        try:
            yield url, peak
        finally:
            server.kill()


def push(url: str, body: bytes) -> bytes:
    where = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", where.port or 0, timeout=300)
    headers = {"Authorization": "Bearer tk-hostile", "Content-Type": "application/x-git-receive-pack-request"}
    try:
        connection.request("POST", "/proj.git/git-receive-pack", body, headers | {"Content-Encoding": "gzip"})
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.timeout(400)
@pytest.mark.attack("ACC-1")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_push_of_20_kb_takes_neither_gigabytes_nor_minutes(
    shape: Callable[[Pack], bytes], gate: GitGate, measured: tuple[str, Callable[[], int]]
) -> None:
    """ACC-1, RES-1: whatever a small push describes, it is refused with a reason, in bounded memory."""
    url, peak = measured
    body = gzip.compress(shape(Pack()), 9)
    assert len(body) < 20_000
    answer = push(url, body)
    assert b"ok refs/" not in answer
    assert b"terok gate: " in answer or b"unpack " in answer, answer
    assert set(gate.branch_heads()) == {"main"}
    assert peak() < MOST


def test_the_gateway_outlives_what_it_refuses(gate: GitGate, measured: tuple[str, Callable[[], int]]) -> None:
    url, peak = measured
    assert b"terok gate: " in push(url, gzip.compress(wide(Pack())))
    pack = Pack()
    pack.commit(pack.tree((b"100644 f", pack.add(BLOB, b"x"))))
    assert b"ok refs/heads/x" in push(url, gzip.compress(pack.body()))
    assert gate.branch_heads()["x"] == pack.tip
    assert peak() < MOST


LITTLE = ProcessLimits(64 * 1024 * 1024, 1)


def hog() -> None:
    limit_to(LITTLE)
    bytes(400 * 1024 * 1024)


def spin() -> None:
    limit_to(LITTLE)
    while True:
        pass


@pytest.mark.attack("RES-1")
@pytest.mark.parametrize(("work", "why"), [(hog, "memory"), (spin, "processor"), (lambda: bytes(-1), "ended with 70")])
def test_an_inspection_ends_that_wants_too_much(work: Callable[[], None], why: str) -> None:
    assert why in asyncio.run(end_of(IsolatedProcess(work, ())))


async def end_of(apart: IsolatedProcess) -> str:
    return await apart.failure()


def test_an_inspection_ends_with_the_one_who_waits() -> None:
    IsolatedProcess(spin, ()).kill()
    assert not Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_an_inspection_has_none_of_its_parent_s_descriptors() -> None:
    reader, writer = os.pipe()
    apart = IsolatedProcess(
        lambda: [os.write(writer, name.encode() + b" ") for name in os.listdir("/proc/self/fd")] and None, {writer}
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert len(pipe.read().split()) <= 5
    apart.kill()
