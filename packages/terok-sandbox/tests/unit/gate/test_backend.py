from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from terok_sandbox.gate.backend import inflated
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.invoke import Service, spawn_service

CUT = gzip.compress(b"x" * 99, mtime=0)[:-9]


async def pieces(raw: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(raw), size):
        yield raw[at : at + size]


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_compressed_body(size: int) -> None:
    content = bytes(3_000_000) + b"end"
    got = [piece async for piece in inflated(pieces(gzip.compress(content), size))]
    assert b"".join(got) == content
    assert max(map(len, got)) < 300_000, "little is held at once"


@pytest.mark.parametrize("raw", [b"", b"no gzip", CUT, CUT[:5]])
async def test_a_damaged_body(raw: bytes) -> None:
    with pytest.raises((EOFError, zlib.error)):
        _ = [piece async for piece in inflated(pieces(raw, 5))]


@pytest.mark.parametrize("service", ["upload-pack", "receive-pack"])
@pytest.mark.parametrize("body", [b"", b"00", b"0032want "])
async def test_a_backend_whose_server_died_ends(gate: GitGate, service: Service, body: bytes) -> None:
    process = spawn_service(gate.path, service, config={})
    async with asyncio.timeout(10):
        await asyncio.to_thread(process.communicate, body)
