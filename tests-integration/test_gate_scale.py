"""The gate with a long history and with 100,000 refs."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.host_server import GateServer
from terok_sandbox.gate.inspect.policy import InspectionLimits, load_policy, save_policy

REFS = 100_000
GIT = (
    "git",
    "-c",
    "user.name=A",
    "-c",
    "user.email=a@example.test",
    "-c",
    "core.compression=0",
    "-c",
    "gc.auto=0",
)


def git(*words: str, data: bytes | None = None, limit: float = 200) -> str:
    done = subprocess.run([*GIT, *words], input=data, capture_output=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scale")


@pytest.fixture(scope="module")
def upstream(place: Path) -> Path:
    """Make a bare upstream with 5,000 commits."""
    bare = place / "upstream.git"
    git("init", "-q", "--bare", "-b", "main", str(bare))
    stream = [b"feature done\n"]
    for number in range(5000):
        text = b"line %d\n" % number
        head = b"commit refs/heads/main\ncommitter A <a@example.test> %d +0000\n" % (1_700_000_000 + number)
        stream.append(
            head + b"data 2\nx\n\nM 644 inline d%d/f%d\ndata %d\n%s\n" % (number % 50, number % 900, len(text), text)
        )
    git("-C", str(bare), "fast-import", "--quiet", "--done", data=b"".join([*stream, b"done\n"]))
    return bare


@pytest.fixture(scope="module")
def served(upstream: Path, place: Path) -> Iterator[tuple[GitGate, str]]:
    """Serve a mirror of the upstream."""
    gate = GitGate("proj", base=place / "gate", upstream=str(upstream))
    assert gate.sync().success
    with GateServer(gate.path, "proj", "t") as server:
        yield gate, server.url


def packed_refs(repository: Path, oid: str, names: list[str]) -> None:
    lines = "".join(f"{oid} {name}\n" for name in sorted(names))
    (repository / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + lines)


SYNC = """
import json, resource, sys
from pathlib import Path
from terok_sandbox.gate.git_gate import GitGate
result = GitGate("many", base=Path(sys.argv[1]), upstream=sys.argv[2]).sync()
used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"applied": len(result.applied), "success": result.success, "mib": max(used) // 1024}))
"""


@pytest.mark.timeout(300)
def test_a_hundred_thousand_refs(served: tuple[GitGate, str], upstream: Path, place: Path, tmp_path: Path) -> None:
    gate, url = served
    tip = git("-C", str(upstream), "rev-parse", "main")
    many = tmp_path / "many.git"
    git("clone", "-q", "--bare", "--single-branch", str(upstream), str(many))
    packed_refs(many, tip, ["refs/heads/main", *(f"refs/heads/n/{number}" for number in range(REFS))])
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SYNC, str(place / "gate"), str(many)], capture_output=True, text=True, check=True
    )
    first = json.loads(done.stdout)
    assert time.monotonic() - began < 120
    assert (first["applied"], first["success"]) == (REFS + 1, True)
    assert first["mib"] < 600, "neither we nor git hold more of it"
    mirror = GitGate.open("many", base=place / "gate")
    assert len(mirror.branch_heads()) == REFS + 1
    git("-C", str(many), "update-ref", "refs/heads/n/7", f"{tip}~1")
    (op,) = mirror.sync().pending
    assert (op.branch, op.reason) == ("n/7", "upstream_rewrite")

    before = gate.branch_heads()
    status, answer = push_refs(url, tip, [f"refs/heads/mine/{number}" for number in range(REFS)])
    assert status == 200
    assert b"terok gate: more than 1000 refs in one push; push them in parts" in answer
    assert answer.count(b"ng refs/heads/mine/") == REFS
    save_policy(gate.path, replace(load_policy(gate.path), limits=InspectionLimits(refs=50)))
    status, answer = push_refs(url, tip, [f"refs/heads/mine/{number}" for number in range(100)])
    assert b"50 is the limit" in answer
    assert gate.branch_heads() == before
    status, answer = push_refs(url, tip, ["refs/heads/mine/1"])
    assert b"ok refs/heads/mine/1" in answer
    subprocess.run(["git", "-C", str(gate.path), "fsck", "--connectivity-only"], check=True, capture_output=True)


def push_refs(url: str, oid: str, names: list[str]) -> tuple[int, bytes]:
    """Push without git, whose client takes minutes to read so many answers; return status and answer."""
    pack = b"PACK" + (2).to_bytes(4) + (0).to_bytes(4)
    lines = [f"{'0' * 40} {oid} {name}".encode() for name in names]
    lines[0] += b"\0report-status side-band-64k"
    body = b"".join(b"%04x" % (len(line) + 4) + line for line in lines) + b"0000" + pack + sha1(pack).digest()
    headers = {"Authorization": "Bearer t", "Content-Type": "application/x-git-receive-pack-request"}
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=200)
    try:
        connection.request("POST", "/proj.git/git-receive-pack", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, unframed(answer.read())
    finally:
        connection.close()


def unframed(answer: bytes) -> bytes:
    """Take the side bands' frames away."""
    at, found = 0, b""
    while at < len(answer) and (size := int(answer[at : at + 4], 16)):
        found += answer[at + 5 : at + size]
        at += size
    return found
