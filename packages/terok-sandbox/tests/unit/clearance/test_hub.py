"""The hub on a real socket: matching verdicts take effect once, hostile lines change nothing, slow peers wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from terok_sandbox.audit import AuditLog, read_audit
from terok_sandbox.clearance.client import ClearanceClient
from terok_sandbox.clearance.dossier import update_dossier
from terok_sandbox.clearance.errors import ClearanceError, HubUnavailable
from terok_sandbox.clearance.events import program_of
from terok_sandbox.clearance.hub import ClearanceHub
from terok_sandbox.clearance.model import Verdict
from terok_sandbox.clearance.present import details
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield import protocol
from terok_sandbox.shield.asker import RefusedDestination
from terok_sandbox.shield.control import MAX_EVENTS, MAX_SUBSCRIBERS, listen_control, serve_control
from terok_sandbox.shield.control_client import ask
from terok_sandbox.shield.errors import BadMessage
from terok_sandbox.shield.live_store import LiveVerdict


class Rules:
    """Stands for the live policy: takes verdicts, or fails."""

    def __init__(self) -> None:
        self.applied: list[LiveVerdict] = []
        self.broken = False
        self.void = ""

    def check(self, verdict: LiveVerdict) -> None:
        verdict.rule()
        if self.void:
            raise ShieldError(self.void)

    async def apply(self, verdict: LiveVerdict) -> None:
        if self.broken:
            raise ShieldError("the rules are gone")
        self.applied.append(verdict)


class Case(SimpleNamespace):
    hub: ClearanceHub
    rules: Rules
    path: Path
    socket: Path
    audit: Path

    def sidecar(self) -> SimpleNamespace:
        shield = SimpleNamespace(unasked=("news.example.com",))
        places = {"gateway_dir": self.path, "runtime_dir": self.path / "c1"}
        return SimpleNamespace(container_name="c1", scope="proj", shield=shield, **places)


def make(path: Path) -> Case:
    case = Case(path=path, rules=Rules(), audit=path / "audit.jsonl", socket=path / "c1/clearance/gateway.sock")
    case.hub = ClearanceHub(case.sidecar(), case.rules, audit=AuditLog(case.audit))
    case.hub.restore()
    return case


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    made = make(tmp_path)
    listener = listen_control(made.socket)
    task = asyncio.create_task(serve_control(made.socket, listener, made.hub.operations))
    await asyncio.sleep(0)
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def refused(
    name: str = "api.example.com", port: int | None = None, tier: str = "default", dest: str = ""
) -> RefusedDestination:
    return RefusedDestination(name, dest, port, "tcp" if port else "", "no rule allows it", tier)


async def test_an_allow_releases_what_waits_after_it_took_effect(case: Case) -> None:
    async with ClearanceClient(case.socket, answers=True) as client:
        assert (await client.next_event()).kind == "replayed"
        held = [asyncio.create_task(case.hub.delay_answer(refused())) for _ in range(2)]
        event = await client.next_event()
        assert event.request is not None and event.container == "c1"
        assert not any(one.done() for one in held)
        await client.decide(event.request.id, str(event.request.target), Verdict("allow", "task", 0, "fine"))
        assert [one.verdict for one in await asyncio.gather(*held) if one] == ["allow", "allow"]
        assert [(one.target, one.duration, one.expires) for one in case.rules.applied] == [
            ("api.example.com", "task", None)
        ]
        while (resolved := await client.next_event()).kind == "request":
            assert resolved.request is not None and resolved.request.count == 2
        assert (resolved.kind, resolved.outcome, resolved.request_id) == ("resolved", "allow", event.request.id)
        with pytest.raises(ClearanceError, match="waits"):
            await client.decide(event.request.id, "api.example.com", Verdict("allow"))
    rows = list(read_audit(case.audit))
    assert [(row["action"], row["verdict"], row["name"]) for row in rows] == [("verdict", "allow", "api.example.com")]
    answers = (case.path / "c1/guest/clearance/answers.jsonl").read_text().splitlines()
    assert [json.loads(row)["answer"] for row in answers] == ["waiting", "allow"]


async def test_a_verdict_that_a_stronger_rule_makes_void_leaves_no_row(case: Case) -> None:
    case.hub.report_refusal(refused())
    case.rules.void = "stays closed"
    async with ClearanceClient(case.socket) as client:
        request = (await client.waiting())[0].request
        assert request is not None
        with pytest.raises(ClearanceError, match="stays closed"):
            await client.decide(request.id, str(request.target), Verdict("allow"))
    assert list(read_audit(case.audit)) == case.rules.applied == []
    assert case.hub.queue.waiting


async def test_the_program_that_asks_is_named_while_it_waits(case: Case) -> None:
    script = """
import socket, sys
open("/proc/self/comm", "w").write("\x1b[31mnpm")
one = socket.socket(*eval(sys.argv[1]))
one.connect(("127.0.0.1", int(sys.argv[2])))
print(one.getsockname()[1], flush=True)
sys.stdin.read()
"""
    for kind, proto in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        with socket.socket(socket.AF_INET, kind) as listener:
            listener.bind(("127.0.0.1", 0))
            if proto == "tcp":
                listener.listen()
            words = [sys.executable, "-c", script, f"(2, {int(kind)})", str(listener.getsockname()[1])]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asking:
                assert asking.stdout is not None
                port = int(asking.stdout.readline())
                case.hub._pid = asking.pid
                async with ClearanceClient(case.socket) as client:
                    await client.waiting()
                    case.hub.report_refusal(replace(refused(f"{proto}.example"), client=(proto, port)))
                    event = await asyncio.wait_for(client.next_event(), 10)
                    assert event.request is not None and event.request.program == r"\x1b[31mnpm"
                    assert any(r"calls itself '\\x1b[31mnpm'" in line for line in details(event.request))
                    assert client.container == "c1"
                asking.communicate(b"", timeout=30)
        assert program_of([os.getpid(), proto, port]) == ""


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5) | st.just("tcp"), st.lists, max_leaves=4))
@settings(deadline=None, max_examples=30)
def test_no_value_is_a_program(client: object) -> None:
    assert program_of(client) == ""


async def test_only_a_verdict_about_the_request_s_own_target_counts(case: Case) -> None:
    case.hub.report_refusal(refused())
    async with ClearanceClient(case.socket) as client:
        request = (await client.waiting())[0].request
        assert request is not None
        for target in ("evil.example", "api.example.com:443/tcp", ""):
            with pytest.raises(ClearanceError):
                await client.decide(request.id, target, Verdict("allow"))
        case.rules.broken = True
        with pytest.raises(ClearanceError, match="rules are gone"):
            await client.decide(request.id, str(request.target), Verdict("allow"))
        assert case.hub.queue.waiting == (request,), "it goes on waiting"
        assert case.rules.applied == []


@pytest.mark.attack("OPS-1")
async def test_nobody_there_is_refused_at_once(case: Case) -> None:
    assert await asyncio.wait_for(case.hub.delay_answer(refused()), 0.5) is None
    async with ClearanceClient(case.socket, answers=False) as client:
        await client.ping()
        assert await asyncio.wait_for(case.hub.delay_answer(refused("b.example")), 0.5) is None


@pytest.mark.attack("OPS-1")
async def test_a_question_is_waited_for_once_until_somebody_answers(case: Case) -> None:
    async with ClearanceClient(case.socket, answers=True) as client:
        await client.waiting()
        held = [asyncio.create_task(case.hub.delay_answer(refused())) for _ in range(2)]
        event = await client.next_event()
        assert event.request is not None
        held[0].cancel()  # its time was over
        await asyncio.wait(held[:1])
        assert await asyncio.wait_for(case.hub.delay_answer(refused()), 10) is None
        assert await asyncio.wait_for(case.hub.delay_answer(refused()), 10) is None
        await client.decide(event.request.id, str(event.request.target), Verdict("deny"))
        answered = await held[1]
        assert answered is not None and answered.verdict == "deny", "who waits still hears of it"
        case.hub.queue._answered.clear()  # as some seconds later
        again = asyncio.create_task(case.hub.delay_answer(refused()))
        first = event.request.id
        while (event := await client.next_event()).request is None or event.request.id == first:
            pass
        assert not again.done()
        await client.decide(event.request.id, str(event.request.target), Verdict("allow"))
        assert (await again) is not None


async def test_what_no_verdict_opens_is_not_asked(case: Case) -> None:
    for request in (
        refused(tier="floor"),
        refused(tier="security_deny"),
        refused("", 443, "private", "10.0.0.1"),
        refused("under_score.example"),
        refused("", None, "default", "198.51.100.7"),
        refused("News.example.com"),
        refused("news.example.com", 443),
        RefusedDestination("", "198.51.100.7", None, "icmp", "", "default"),
    ):
        case.hub.report_refusal(request)
        assert await case.hub.delay_answer(request) is None
    assert case.hub.queue.waiting == ()
    case.hub.report_refusal(refused("more.news.example.com"))
    assert len(case.hub.queue.waiting) == 1


async def test_questions_survive_the_gateway(case: Case) -> None:
    case.hub.report_refusal(refused())
    case.hub.report_refusal(refused("", 5432, "default", "2001:db8::7"))
    again = make(case.path)
    assert [str(one.target) for one in again.hub.queue.waiting] == ["api.example.com", "[2001:db8::7]:5432/tcp"]
    await again.hub.decide(again.hub.queue.waiting[0].id, "api.example.com", Verdict("deny"))
    assert len(make(case.path).hub.queue.waiting) == 1


async def test_the_dossier_is_read_anew_and_made_safe(case: Case) -> None:
    (case.path / "dossier.json").write_text(json.dumps({"task": "fix \x1b[31mit", "bad": 5, "task2": "x" * 1000}))
    case.hub.report_refusal(refused())
    dossier = case.hub.queue.waiting[0].dossier
    assert dossier["project"] == "proj"
    assert dossier["task"].isprintable()
    assert len(dossier["task2"]) == 200
    (case.path / "dossier.json").write_text("[" * 100_000)
    case.hub.report_refusal(refused("other.example"))
    assert case.hub.queue.waiting[1].dossier == {"project": "proj"}


async def test_a_renamed_task_is_asked_for_by_its_new_name(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(gateway_dir=lambda name: case.path if name == "c1" else case.path / name)
    update_dossier(config, "never-launched", {"task": "x"})
    assert not (case.path / "never-launched").exists()
    (case.path / "dossier.json").write_text('{"task": "old", "agent": "demo"}')
    case.hub.report_refusal(refused())
    async with ClearanceClient(case.socket) as client:
        assert (await client.waiting())[0].request.dossier["task"] == "old"
        update_dossier(config, "c1", {"task": "new \x1b[31m"})
        case.hub.relabel()
        event = await asyncio.wait_for(client.next_event(), 30)
        assert event.request is not None
        assert event.request.dossier == {"project": "proj", "task": r"new \x1b[31m", "agent": "demo"}
        case.hub.relabel()
        await case.hub.decide(event.request.id, "api.example.com", Verdict("deny"))
        assert (await asyncio.wait_for(client.next_event(), 30)).kind == "resolved", "it was told once"
    assert not list(case.path.glob(".dossier*")), "nothing is left of the replacement"


async def test_an_unanswered_question_expires_denied(tmp_path: Path) -> None:
    now = [1000.0]
    case = make(tmp_path)
    case.hub = ClearanceHub(case.sidecar(), case.rules, audit=AuditLog(case.audit), clock=lambda: now[0])
    case.hub.report_refusal(refused())
    now[0] += 901
    case.hub.expire()
    assert case.hub.queue.waiting == ()
    assert case.rules.applied == []
    rows = (tmp_path / "c1/guest/clearance/answers.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["answer"] == "expired"


async def test_a_question_does_not_expire_while_it_is_answered(tmp_path: Path) -> None:
    now, case = [1000.0], make(tmp_path)
    case.hub = ClearanceHub(case.sidecar(), case.rules, audit=AuditLog(case.audit), clock=lambda: now[0])
    case.hub.report_refusal(refused())

    async def slow(verdict: LiveVerdict) -> None:
        now[0] += 901
        case.hub.expire()
        case.rules.applied.append(verdict)

    case.rules.apply = slow
    await case.hub.decide(case.hub.queue.waiting[0].id, "api.example.com", Verdict("allow"))
    assert len(case.rules.applied) == 1
    rows = (tmp_path / "c1/guest/clearance/answers.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["answer"] == "allow"


async def test_a_slow_front_end_loses_the_oldest_and_is_told(case: Case) -> None:
    reader, writer = await asyncio.open_unix_connection(case.socket)
    writer.write(protocol.encode("subscribe"))
    assert {protocol.decode(await reader.readline())[0] for _ in range(2)} == {"ok", "replayed"}
    connection = next(iter(case.hub._subscribers))
    for number in range(MAX_EVENTS + 40):
        connection.send_event(protocol.encode("request", number=number))
    kinds = [protocol.decode(await reader.readline()) for _ in range(MAX_EVENTS + 1)]
    assert ("lost", {"count": 40}) in kinds
    writer.close()


LINES = st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda v: st.dictionaries(st.sampled_from(["v", "type", "id", "target", "action", "scope", "minutes", "seq"]), v),
).map(lambda value: json.dumps(value).encode())


@given(lines=st.lists(LINES, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
async def test_hostile_lines_change_nothing(case: Case, lines: list[bytes]) -> None:
    case.hub.report_refusal(refused())
    before = case.hub.queue.waiting
    reader, writer = await asyncio.open_unix_connection(case.socket)
    writer.write(b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines) + protocol.encode("ping", seq=77))
    while True:
        kind, fields = protocol.decode(await asyncio.wait_for(reader.readline(), 5))
        if (kind, fields.get("seq")) == ("ok", 77):
            break
        assert kind in ("ok", "error", "request", "replayed")
    writer.close()
    assert case.hub.queue.waiting == before
    assert case.rules.applied == []


async def test_front_ends_leave_room_for_whoever_closes_something(case: Case) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_SUBSCRIBERS):
            await stack.enter_async_context(ClearanceClient(case.socket))
        with pytest.raises(HubUnavailable, match="have subscribed"):
            await stack.enter_async_context(ClearanceClient(case.socket))
        assert await asyncio.to_thread(ask, case.socket, "waiting") == {"requests": []}


async def test_an_endless_line_ends_the_connection(case: Case) -> None:
    reader, writer = await asyncio.open_unix_connection(case.socket)
    with contextlib.suppress(OSError):
        writer.write(b"x" * (protocol.MAX_LINE * 4))
        await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_the_socket_is_this_user_s(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert case.socket.stat().st_mode & 0o777 == 0o600
    assert case.socket.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("terok_sandbox.shield.control.os.geteuid", lambda: 12345)
    with pytest.raises(HubUnavailable):
        async with ClearanceClient(case.socket):
            pass


async def test_a_foreign_server_is_no_hub(tmp_path: Path) -> None:
    path = tmp_path / "c1/clearance/gateway.sock"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(HubUnavailable):
            async with ClearanceClient(path):
                pass
    with pytest.raises(BadMessage):
        protocol.decode(b'{"v":2,"type":"hello"}')
