"""Fuzz a request's way through the vault proxy: head, framing, token swap.

    python packages/terok-sandbox/tests/fuzz/vault_request.py [-max_total_time=60] [CORPUS]

needs atheris. What must hold for any bytes: no exception but HttpSyntaxError, and a request that is let through carries
the real credential exactly once, the token nowhere, and no second line that could be read as a request.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from terok_sandbox.http1.body import request_body
    from terok_sandbox.http1.head import HttpSyntaxError, read_request
    from terok_sandbox.vault.frames import FrameError, FrameReader
    from terok_sandbox.vault.refusal import VaultRefusal
    from terok_sandbox.vault.routes import Placement, Route, Upstream
    from terok_sandbox.vault.swap import screen, swap
    from terok_sandbox.vault.upstream import Endpoint, request_head

TOKEN = "sk-phantom-0123456789abcdef0123456789abcdef"
SECRET = "sk-real-fedcba9876543210fedcba9876543210"
ROUTE = Route("p", Upstream("http://upstream.test"), Placement(), {}, ())
TARGET = Endpoint("http://upstream.test", "upstream.test", 80, False, "upstream.test")


def one_input(data: bytes) -> None:
    """Follow one input as far as it gets."""
    data = data.replace(b"TOKEN", TOKEN.encode())
    with contextlib.suppress(FrameError):
        FrameReader(masked=True).feed(data)
    head, _, rest = data.partition(b"\r\n\r\n")
    try:
        request = read_request(head + b"\r\n\r\n")
    except HttpSyntaxError:
        return
    screened = screen(request.method, request.target, request.fields)
    if isinstance(screened, VaultRefusal):
        return
    for presented in screened.presented:
        if presented.token != TOKEN:
            continue
        outgoing = swap(screened, presented, ROUTE, {"key": SECRET})
        if not isinstance(outgoing, VaultRefusal):
            sent = request_head(outgoing, TARGET, None, None)
            assert sent.count(b"\r\n\r\n") == 1 and sent.endswith(b"\r\n\r\n")
            assert TOKEN.encode() not in sent
            assert sent.count(b"\r\nHost: ") == 1 and sent.count(b"\nAuthorization: ") == 1
    try:
        body = request_body(screened.length, chunked=screened.chunked)
        if body is not None:
            body.feed(rest)
    except HttpSyntaxError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
