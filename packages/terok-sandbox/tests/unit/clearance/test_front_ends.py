"""Subscribers of several containers, project verdicts, the desktop without a desktop, autostart."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
from dbus_fast import Message, MessageType
from terok_sandbox.audit import AuditLog
from terok_sandbox.clearance.autostart import install_autostart, remove_autostart, render_entry, render_unit
from terok_sandbox.clearance.client import MultiSocketSubscriber
from terok_sandbox.clearance.desktop import NAME, PATH, Desktop, DesktopUnavailable
from terok_sandbox.clearance.errors import ClearanceError
from terok_sandbox.clearance.hub import ClearanceHub
from terok_sandbox.clearance.model import ClearanceRequest, Target, Verdict
from terok_sandbox.clearance.notifier import Notifier
from terok_sandbox.clearance.project import (
    read_project_verdicts,
    remember_decision,
    remember_for_project,
    verdicts_path,
    with_project_verdicts,
)
from terok_sandbox.clearance.waiting import decide_request, gateway_sockets, list_waiting
from terok_sandbox.config import SandboxConfig
from terok_sandbox.shield.asker import RefusedDestination
from terok_sandbox.shield.control import listen_control, serve_control
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.sidecar import PolicyTiers, ShieldWiring, Sidecar


@pytest.fixture
def config(tmp_path: Path) -> SandboxConfig:
    return SandboxConfig(state_dir=tmp_path / "s", runtime_dir=tmp_path / "r", vault_dir=tmp_path / "v")


def hub_for(config: SandboxConfig, name: str, scope: str) -> tuple[ClearanceHub, list[LiveVerdict]]:
    """Write the sidecar of a container of project *scope* and make its hub, which claims to be of another project."""
    config.ensure_container_dirs(name)
    shield = ShieldWiring("filter", config.container_state_dir(name) / "a.jsonl", PolicyTiers())
    runtime, state = config.container_runtime_dir(name), config.container_state_dir(name)
    sidecar = Sidecar(1, "0", name, scope, runtime, state, None, None, shield)
    config.sidecar_dir.mkdir(parents=True, exist_ok=True)
    sidecar.save(config.sidecar_path(name))
    applied: list[LiveVerdict] = []

    async def apply(verdict: LiveVerdict) -> None:
        applied.append(verdict)

    names = {"container_name": "other", "scope": "other"}
    lying = SimpleNamespace(**names, shield=shield, gateway_dir=state, runtime_dir=runtime)
    return ClearanceHub(
        lying, SimpleNamespace(check=LiveVerdict.rule, apply=apply), audit=AuditLog(shield.audit_path)
    ), applied


def serve(config: SandboxConfig, name: str, hub: ClearanceHub) -> asyncio.Task[None]:
    path = config.gateway_socket(name)
    return asyncio.create_task(serve_control(path, listen_control(path), hub.operations))


async def test_one_front_end_for_all_containers(config: SandboxConfig) -> None:
    hubs = {name: hub_for(config, name, f"proj-{name}") for name in ("c1", "c2")}
    for name, (hub, _) in hubs.items():
        hub.report_refusal(RefusedDestination(f"{name}.example.com", "", None, "", "no rule", "default"))
    tasks = [serve(config, name, hub) for name, (hub, _) in hubs.items()]
    await asyncio.sleep(0)
    async with MultiSocketSubscriber(config, answers=True) as subscriber:
        async with asyncio.timeout(5):
            while len(subscriber.waiting) < 2:
                await subscriber.next_event()
        found = {one.container: one for one in subscriber.waiting}
        assert set(found) == {"c1", "c2"}, "a container's name is where its socket is, whatever its gateway says"
        await subscriber.decide(found["c2"], Verdict("allow", "project", 0, 'so "be" it'))
        assert [one.target for one in hubs["c2"][1]] == ["c2.example.com"]
        assert hubs["c1"][1] == []
        assert read_project_verdicts(config, "proj-c2") == ('+ c2.example.com %reason="so  be  it"',)
        assert read_project_verdicts(config, "other") == ()
        tasks[0].cancel()
        async with asyncio.timeout(5):
            while (await subscriber.next_event()).kind != "gone":
                pass
        assert subscriber.waiting == ()
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_waits_is_told_without_hubs_that_do_not_answer(config: SandboxConfig) -> None:
    names = ("c1", "c2", "nonsense", "silent")
    hubs = {name: hub_for(config, name, "p") for name in names}
    served = []
    for name in ("c1", "c2"):
        hubs[name][0].report_refusal(RefusedDestination(f"{name}.example.com", "", None, "", "no rule", "default"))
        served.append(serve(config, name, hubs[name][0]))
    silent, babbling = (listen_control(config.gateway_socket(name)) for name in ("silent", "nonsense"))

    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"{}\n")
        writer.close()
        await writer.wait_closed()

    babbler = await asyncio.start_unix_server(babble, sock=babbling)
    found = await asyncio.to_thread(
        list_waiting, [config.gateway_socket("silent"), *gateway_sockets(config)], patience=0.5
    )
    assert [(one.container, str(one.target)) for one in found] == [("c1", "c1.example.com"), ("c2", "c2.example.com")]
    assert gateway_sockets(config, "c2") == [config.gateway_socket("c2")]
    assert gateway_sockets(config, "gone") == []
    decision = (config.gateway_socket("c2"), found[1].id, str(found[1].target), Verdict("deny", "project"))
    await asyncio.to_thread(decide_request, *decision)
    remember_decision(config, found[1], decision[-1])
    assert [(one.target, one.verdict) for one in hubs["c2"][1]] == [("c2.example.com", "deny")]
    assert read_project_verdicts(config, "p") == ("- c2.example.com",)
    with pytest.raises(ClearanceError, match="no request"):
        await asyncio.to_thread(decide_request, *decision)
    silent.close()
    babbler.close()
    for task in served:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_project_verdicts_join_later_launches(config: SandboxConfig) -> None:
    target = Target("a.example.com", port=22)
    remember_for_project(config, "p", target, Verdict("deny", "project"))
    remember_for_project(config, "p", target, Verdict("allow", "project", 0, "git"))
    remember_for_project(config, "p", Target(address="2001:db8::7", port=5432), Verdict("allow", "project"))
    lines = with_project_verdicts(config, "p", PolicyTiers(project_allow=("+ b.example",))).project_allow
    assert lines == ("+ b.example", '+ a.example.com:22/tcp %reason="git"', "+ [2001:db8::7]:5432/tcp")
    assert with_project_verdicts(config, "", PolicyTiers()) == PolicyTiers()
    with verdicts_path(config, "p").open("a") as file:
        file.write("+ NOT.example\n")
    with pytest.raises(PolicyError, match=r"verdicts/p\.policy:3: "):
        with_project_verdicts(config, "p", PolicyTiers())
    with pytest.raises(ClearanceError):
        remember_for_project(config, "../p", target, Verdict("allow"))


@pytest.mark.attack("OPS-1")
async def test_no_session_bus_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    desktop = Desktop(lambda *_: None, lambda _: None)
    with pytest.raises(DesktopUnavailable):
        await asyncio.wait_for(desktop.connect(), 2)


def signal(member: str, body: list[object], sender: str = ":1.5", path: str = PATH, signature: str = "us") -> Message:
    return Message(
        message_type=MessageType.SIGNAL,
        path=path,
        interface=NAME,
        member=member,
        sender=sender,
        signature=signature,
        body=body,
    )


@pytest.mark.attack("UI-3")
def test_signals_of_others_press_no_button() -> None:
    pressed: list[object] = []
    desktop = Desktop(lambda *args: pressed.append(args), pressed.append)
    desktop._owner = ":1.5"
    desktop._handle(signal("ActionInvoked", [7, "n:once"], sender=":1.6"))
    desktop._handle(signal("ActionInvoked", [7, "n:once"], path="/elsewhere"))
    desktop._handle(signal("ActionInvoked", [7], signature="u"))
    assert pressed == []
    desktop._handle(signal("ActionInvoked", [7, "n:once"]))
    desktop._handle(signal("NotificationClosed", [7, 2], signature="uu"))
    assert pressed == [(7, "n:once"), 7]


async def test_notifications_debounce_limit_and_withdraw(config: SandboxConfig) -> None:
    now = [0.0]
    hub, applied = hub_for(config, "c1", "p")
    for number in range(6):
        hub.report_refusal(RefusedDestination(f"x{number}.example.com", "", None, "", "<b>why</b>", "default"))
    serving = serve(config, "c1", hub)
    await asyncio.sleep(0)
    async with MultiSocketSubscriber(config, answers=True) as subscriber:
        notifier = Notifier(subscriber, clock=lambda: now[0])
        numbers = itertools.count(1)
        shown: dict[int, tuple[str, list[tuple[str, str]]]] = {}
        bodies: dict[int, str] = {}

        async def show(summary: str, body: str, actions: list[tuple[str, str]], *, replaces: int = 0) -> int:
            assert "<b>" not in body and "…" not in summary
            number = replaces or next(numbers)
            shown[number], bodies[number] = (summary, actions), body
            return number

        async def withdraw(number: int) -> None:
            del shown[number]

        notifier.desktop.capabilities = frozenset({"actions", "body-markup"})
        notifier.desktop.show, notifier.desktop.withdraw = show, withdraw
        following = asyncio.create_task(notifier.follow())
        async with asyncio.timeout(5):
            while len(shown) < 4 or "2 more wait" not in shown[1][0] + shown[4][0]:
                await asyncio.sleep(0.01)
        early = shown[1][1][1][0]
        notifier._pressed(1, early)
        await asyncio.sleep(0.05)
        assert applied == [], "a click that came too early allows nothing"
        assert shown[1][1][1][0] != early, "and its button is gone"
        now[0] = 5
        notifier._pressed(1, early)
        notifier._pressed(99, shown[1][1][1][0])
        notifier._pressed(1, shown[1][1][1][0])
        async with asyncio.timeout(5):
            while not applied or len(shown) < 4:
                await asyncio.sleep(0.01)
        assert [(one.target, one.verdict) for one in applied] == [("x0.example.com", "allow")]
        refusing = subscriber.decide

        async def refuse(request: ClearanceRequest, verdict: Verdict) -> None:
            raise ClearanceError(f"{request.target}: stays <b>closed</b>")

        subscriber.decide = refuse  # type: ignore[method-assign]
        notifier._pressed(2, shown[2][1][1][0])
        notifier._closed(2)  # as daemons do when a button was pressed
        async with asyncio.timeout(5):
            while not any("NOT DONE" in text for text in bodies.values()):
                await asyncio.sleep(0.01)
        assert any(text.startswith("NOT DONE: x1.example.com: stays (b)closed") for text in bodies.values())
        subscriber.decide = refusing  # type: ignore[method-assign]
        await notifier.leave()
        following.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def test_autostart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unit = render_unit('/opt/a "b"/100%/$x')
    assert 'ExecStart="/opt/a \\"b\\"/100%%/$$x" clearance notify\n' in unit
    assert 'Exec="/opt/terok-sandbox" clearance notify\n' in render_entry("/opt/terok-sandbox")
    with pytest.raises(ClearanceError):
        render_unit("/opt/a\nExecStart=/bin/sh")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    written = install_autostart()
    assert all(path.exists() for path in written)
    assert install_autostart() == written
    assert set(remove_autostart()) == set(written)
    assert remove_autostart() == []
