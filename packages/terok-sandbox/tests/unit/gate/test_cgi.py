from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate.cgi import parse_head
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.invoke import spawn_http_backend
from terok_sandbox.gate.mirror import GitGate
from terok_sandbox.gate.request import GateRequest, cgi_variables


def test_a_head() -> None:
    head = parse_head(b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n")
    assert (head.status, head.headers) == (403, (("Content-Type", "text/plain"),))
    assert parse_head(b"Expires: never\n").status == 200


@pytest.mark.parametrize("raw", [b"Status: 100\n", b"Status: x\n", b"no colon\n", b": x\n", b"a b: c\n"])
def test_a_malformed_head(raw: bytes) -> None:
    with pytest.raises(GateError):
        parse_head(raw)


@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    try:
        head = parse_head(raw)
    except GateError:
        return
    assert 200 <= head.status <= 599
    assert not any("\n" in name + value or "\r" in name + value for name, value in head.headers)


@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
@pytest.mark.parametrize("body", [b"", b"00", b"0032want "])
async def test_a_backend_whose_server_died_ends(gate: GitGate, service: str, body: bytes) -> None:
    headers = {"content-type": f"application/x-{service}-request", "content-length": "1000"}
    variables = cgi_variables(GateRequest("call", service), headers, gate.path.name)
    assert isinstance(variables, dict)
    root = {"GIT_PROJECT_ROOT": str(gate.path.parent)}
    process = await spawn_http_backend(gate.path, variables | root, {"http.receivepack": "true"})
    async with asyncio.timeout(10):
        await process.communicate(body)
