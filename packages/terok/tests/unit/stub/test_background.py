from __future__ import annotations

import socket
import threading
import urllib.request

import pytest
from terok.errors import StubError
from terok.stub import Script, running_stub


def test_it_serves_beside_blocking_code_and_is_gone_afterwards() -> None:
    with running_stub(Script(())) as provider:
        with urllib.request.urlopen(provider.url, timeout=5) as response:
            assert response.status == 200
        assert [record.path for record in provider.seen.records] == ["/"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", provider.port), timeout=5)
    assert "terok-stub" not in [thread.name for thread in threading.enumerate()]


def test_a_failure_to_start_is_raised_here() -> None:
    with running_stub(Script(())) as provider, pytest.raises(StubError), running_stub(Script(()), port=provider.port):
        pass
