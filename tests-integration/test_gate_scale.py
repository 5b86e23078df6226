"""The gate with a 500 MB pack, with a long history and with 10,000 refs."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terok_sandbox.gate.mirror import GitGate
from terok_sandbox.gate.request import gate_url, token_hash
from terok_sandbox.gate.server import serve_gate
from terok_sandbox.sidecar import GateWiring

REFS = 10_000
PACK = 500_000_000
GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@example.test", "-c", "core.compression=0", "-c", "gc.auto=0")


def git(*words: str, data: bytes | None = None, limit: float = 200) -> str:
    done = subprocess.run([*GIT, *words], input=data, capture_output=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    return done.stdout.decode().strip()


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """Make a bare upstream with 5,000 commits."""
    bare = tmp_path / "upstream.git"
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


@pytest.fixture
def served(upstream: Path, tmp_path: Path) -> Iterator[tuple[GitGate, str]]:
    """Serve a mirror of the upstream from a thread."""
    gate = GitGate("proj", base=tmp_path / "gate", upstream=str(upstream))
    assert gate.sync().success
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    started = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as sock:

        async def main() -> None:
            handles.append((asyncio.get_running_loop(), asyncio.Event()))
            started.set()
            await serve_gate(sock, GateWiring(gate.path, "proj", token_hash("t")), stop=handles[0][1])

        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        started.wait(10)
        yield gate, gate_url("t", "proj", sock.getsockname()[1])
        handles[0][0].call_soon_threadsafe(handles[0][1].set)
        thread.join(20)


@pytest.mark.timeout(300)
def test_a_pack_of_500_megabytes(served: tuple[GitGate, str], tmp_path: Path) -> None:
    gate, url = served
    work = tmp_path / "work"
    git("clone", "-q", url, str(work))
    with Path("/dev/urandom").open("rb") as source, (work / "big").open("wb") as target:
        for _ in range(PACK // 10_000_000):
            target.write(source.read(10_000_000))
    git("-C", str(work), "add", "big")
    git("-C", str(work), "commit", "-q", "-m", "big")
    git("-C", str(work), "push", "-q", "origin", "HEAD:refs/heads/big")
    assert gate.branch_heads()["big"] == git("-C", str(work), "rev-parse", "HEAD")
    assert git("-C", str(gate.path), "cat-file", "-s", "refs/heads/big:big") == str(PACK)


@pytest.mark.timeout(300)
def test_ten_thousand_refs(served: tuple[GitGate, str], upstream: Path, tmp_path: Path) -> None:
    gate, url = served
    tip = git("-C", str(upstream), "rev-parse", "main")
    names = sorted(["refs/heads/main", *(f"refs/heads/n/{number}" for number in range(REFS))])
    packed = "# pack-refs with: peeled fully-peeled sorted \n" + "".join(f"{tip} {name}\n" for name in names)
    (upstream / "packed-refs").write_text(packed)
    began = time.monotonic()
    assert len(gate.sync().applied) == REFS
    assert time.monotonic() - began < 120
    work = tmp_path / "work"
    git("clone", "-q", "--single-branch", url, str(work))
    git("-C", str(work), "commit", "-q", "--allow-empty", "-m", "x")
    began = time.monotonic()
    git("-C", str(work), "push", "-q", "origin", "HEAD:refs/heads/mine")
    assert time.monotonic() - began < 30
    assert len(gate.branch_heads()) == REFS + 2
