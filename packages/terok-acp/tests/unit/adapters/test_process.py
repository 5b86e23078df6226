"""Adapters of this host behind the real wrapper: started, heard, stopped, killed."""

from __future__ import annotations

import os
import select
import signal
import socket

import pytest
from local_container import BAD_ENDS, LocalContainer
from terok_acp.adapters.process import AdapterProcess, end_adapters
from terok_acp.adapters.spec import AdapterSpec
from terok_acp.adapters.stderr_log import StderrLog
from terok_util import register_secret

ECHO = "echo ready >&2; exec cat"
STUBBORN = "trap '' TERM; echo up; while :; do read -r _ || :; done"


def receive(stream: socket.socket) -> bytes:
    select.select([stream], [], [], 20)
    return stream.recv(4096)


@pytest.fixture
def process(local: LocalContainer) -> AdapterProcess:
    local.program("one", ECHO)
    return AdapterProcess(AdapterSpec("one", "One"), "box", local)


def test_bytes_go_both_ways_and_errors_aside(process: AdapterProcess, local: LocalContainer) -> None:
    with process.start() as stream:
        stream.send(b"hello\n")
        assert receive(stream) == b"hello\n"
        stream.shutdown(socket.SHUT_WR)
        assert receive(stream) == b""
        assert process.ended.result(20) == 0
    assert process.log_tail() == "ready"


def test_stop_ends_what_minds_nothing(local: LocalContainer) -> None:
    local.program("one", STUBBORN)
    process = AdapterProcess(AdapterSpec("one", "One"), "box", local)
    with process.start() as stream:
        assert receive(stream) == b"up\n"
        process.stop()
        assert process.ended.result(0) == 128 + signal.SIGKILL
    assert local.adapters() == []


def test_a_killed_connection_is_an_end_only_when_nothing_is_left_inside(local: LocalContainer) -> None:
    local.program("one", STUBBORN)
    process = AdapterProcess(AdapterSpec("one", "One"), "box", local)
    with process.start() as stream:
        assert receive(stream) == b"up\n"
        os.kill(local.clients[-1], signal.SIGKILL)
        assert process.ended.result(20) < 0
        assert local.adapters() == []
        assert receive(stream) == b""


def test_adapters_of_a_daemon_that_was_killed_are_ended_by_the_next(local: LocalContainer) -> None:
    local.program("one", STUBBORN)
    process = AdapterProcess(AdapterSpec("one", "One"), "box", local)
    with process.start() as stream:
        assert receive(stream) == b"up\n"
        end_adapters(local, "box")
        assert local.adapters() == []
        process.ended.result(20)


@pytest.mark.parametrize("problem", BAD_ENDS)
def test_a_container_that_cannot_be_asked_is_not_an_empty_one(
    process: AdapterProcess, local: LocalContainer, problem: str
) -> None:
    with process.start() as stream:
        stream.close()
        process.ended.result(20)
    local.problem = problem
    with pytest.raises(BAD_ENDS[problem]):
        process.stop()


def test_the_log_keeps_the_end_and_no_secret() -> None:
    log = StderrLog(limit=1000)
    register_secret("sk-real-key-of-somebody")
    for number in range(100_000):
        log.add(b"line %d\n" % number)
    log.add(b"x" * 5000 + b"\n\x1b[31mkey sk-real-key-of-somebody\n")
    tail = log.tail(30)
    assert tail.endswith("key [redacted]")
    assert "\x1b" not in tail
    assert len(log._held) < 100_000
