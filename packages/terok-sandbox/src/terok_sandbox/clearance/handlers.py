"""Handlers of the `clearance` verbs."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import suppress

from terok_util.commands.output import show

from terok_sandbox.clearance.answering import answer_request
from terok_sandbox.clearance.client import MultiSocketSubscriber
from terok_sandbox.clearance.errors import HubUnavailable
from terok_sandbox.clearance.model import Action, Duration, Verdict
from terok_sandbox.clearance.present import details, headline
from terok_sandbox.clearance.terminal import HELP, run_terminal, write_line
from terok_sandbox.clearance.waiting import gateway_sockets
from terok_sandbox.clearance.waiting import list_waiting as find_waiting
from terok_sandbox.config import SandboxConfig


async def watch(*, as_json: bool, container: str | None) -> None:
    """Ask in this terminal, or print events as JSON lines."""
    config = SandboxConfig.load()
    async with MultiSocketSubscriber(config, answers=not as_json, only=container) as subscriber:
        if as_json:
            with suppress(asyncio.CancelledError):
                while True:
                    write_line(json.dumps((await subscriber.next_event()).to_json()))
            return
        write_line(HELP)
        await run_terminal(subscriber, write_line)


def list_waiting(*, as_json: bool, container: str | None) -> None:
    """Print the questions that wait now."""
    sockets = gateway_sockets(SandboxConfig.load(), container)
    if container is not None and not sockets:
        raise HubUnavailable(f"{container}: nobody asks for it", hint="see `terok-sandbox list`")
    requests = find_waiting(sockets)
    lines = []
    for request in requests:
        lines += [f"{request.id}  {headline(request)}", *(f"    {line}" for line in details(request))]
    show([request.to_json() for request in requests], as_json, lines or "nothing waits")


def allow(*, request: str, once: bool, minutes: int | None, task: bool, project: bool, reason: str | None) -> None:
    """Allow the target of a request."""
    _decide(request, _verdict("allow", once, minutes, task, project, reason))


def deny(*, request: str, once: bool, minutes: int | None, task: bool, project: bool, reason: str | None) -> None:
    """Deny it."""
    _decide(request, _verdict("deny", once, minutes, task, project, reason))


async def notify(*, install: bool, uninstall: bool) -> None:
    """Show desktop notifications until SIGTERM, or have that started with every session."""
    if install or uninstall:
        from terok_sandbox.clearance.autostart import install_autostart, remove_autostart

        for path in install_autostart() if install else remove_autostart():
            write_line(f"{'written' if install else 'removed'}: {path}")
        return
    from terok_sandbox.clearance.notifier import run_notifier

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_notifier(SandboxConfig.load(), stop)


def _verdict(action: Action, once: bool, minutes: int | None, task: bool, project: bool, reason: str | None) -> Verdict:
    del once  # the default; the parser keeps it apart from the others
    duration: Duration = "minutes" if minutes is not None else "task" if task else "project" if project else "once"
    return Verdict.from_json({"action": action, "scope": duration, "minutes": minutes or 0, "reason": reason or ""})


def _decide(request_id: str, verdict: Verdict) -> None:
    request = answer_request(SandboxConfig.load(), request_id, verdict)
    past = {"allow": "allowed", "deny": "denied"}[verdict.action]
    write_line(f"{past} {verdict.span}: {request.container}: {request.target}")
