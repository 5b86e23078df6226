"""Entry point of the gateway process: resolver, packet log and git gate of one container.

It parses what the container sends and holds no secret. When one part fails, the process ends, so that the supervisor
starts all of it anew behind the same listeners.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine
from typing import Any, Final

from terok_util import TerokError

from terok_sandbox.activity.feed import Feed, serve_feed
from terok_sandbox.activity.state import GATEWAY
from terok_sandbox.audit import AuditLog
from terok_sandbox.clearance.hub import ClearanceHub
from terok_sandbox.errors import AuditError, ShieldError
from terok_sandbox.gate.pushes import earlier_pushes
from terok_sandbox.gate.server import serve_gate
from terok_sandbox.loopback import serve_loopback
from terok_sandbox.netns.host_addresses import address_changes, host_addresses
from terok_sandbox.netns.listeners import loopback_listener
from terok_sandbox.netns.nft import NftChannel
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.shield.control import listen_control, serve_control
from terok_sandbox.shield.dns import DnsServer
from terok_sandbox.shield.egress.judge import Judge
from terok_sandbox.shield.egress.proxy import EgressProxy
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.nflog import drain
from terok_sandbox.shield.operations import ShieldOperations, explain_name
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.protocol import SOCKET
from terok_sandbox.shield.resolver import Resolver
from terok_sandbox.shield.ruleset.commands import host_command
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.shield.upstream import UpstreamResolver
from terok_sandbox.shield.wall import Wall
from terok_sandbox.sidecar import GATE_AUDIT
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.values.servers import parse_server

_log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 3.0


def serve(ctx: WorkerContext) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code, which is not 0 when a part has failed."""
    try:
        policy = Policy.from_tiers(ctx.sidecar.shield.tiers)
        return asyncio.run(_serve(ctx, policy))
    except TerokError as error:
        _log.error("the gateway cannot serve: %s", error.message)
        return 1


async def _serve(ctx: WorkerContext, policy: Policy) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    audit = AuditLog(ctx.sidecar.shield.audit_path, container=ctx.sidecar.container_name)
    parts = await _parts(ctx, policy, audit, stop)
    running = {asyncio.create_task(part, name=name) for name, part in parts.items()}
    stopper = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopper, *running}, return_when=asyncio.FIRST_COMPLETED)
    failed = set() if stop.is_set() else done
    for task in failed:
        _log_failure(task)
    stop.set()
    # The gate finishes a push that is under way, within `DRAIN_SECONDS`.
    for task in running:
        if not task.get_name().startswith("gate"):
            task.cancel()
    await asyncio.wait({stopper, *running}, timeout=DRAIN_SECONDS)
    audit.close()
    return 1 if failed else 0


async def _parts(
    ctx: WorkerContext, policy: Policy, audit: AuditLog, stop: asyncio.Event
) -> dict[str, Coroutine[Any, Any, None]]:
    if ctx.nft is None or ctx.nflog is None:
        raise ShieldError("the gateway was started without its channel to the rules")
    channel = NftChannel(ctx.nft)
    socket_path = ctx.sidecar.runtime_dir / SOCKET
    listener = listen_control(socket_path)
    live = LivePolicy(policy, ctx.sidecar.gateway_dir / LIVE_FILE, channel=channel)
    await live.restore()
    feed = Feed()
    hub = ClearanceHub(ctx.sidecar, live, audit=audit, pid=ctx.container_pid, tell=feed.tell)
    hub.restore()
    sightings = Sightings(audit, clock=asyncio.get_running_loop().time, asker=hub)
    upstream = UpstreamResolver(servers=tuple(map(parse_server, ctx.sidecar.shield.resolvers)))
    enforcement = ctx.sidecar.shield.enforcement
    own: list[str] = host_addresses()
    resolver = Resolver(Wall(live.policy, live.posture, enforcement, own))
    server = DnsServer(resolver, upstream=upstream, sightings=sightings, open_addresses=live.open_addresses, asker=hub)

    egress = EgressProxy(Judge(live, upstream, lambda: own, hub), sightings)

    def follow() -> None:
        resolver.wall = Wall(live.policy, live.posture, enforcement, own)
        server.forget_answers()
        egress.reconsider_tunnels()

    operations = ShieldOperations(
        ctx.sidecar.container_name,
        live,
        sightings,
        enforcement=enforcement,
        explain=lambda name: explain_name(resolver.wall, upstream, name),
    )
    live.watch(follow)
    follow()
    parts = {
        "verdicts": live.expire_verdicts(),
        "clearance": hub.keep_up(),
        "control socket": serve_control(socket_path, listener, {**operations.by_name, **hub.operations}),
        "activity": serve_feed(feed, ctx.listeners.get(f"activity-{GATEWAY}")),
        "resolver": server.serve(ctx.listeners["dns-udp"], ctx.listeners["dns-tcp"]),
        "packet log": _read_packet_log(ctx.nflog, sightings),
        "host addresses": _follow_host_addresses(channel, own),
    }
    if enforcement == "airlock":
        parts["egress proxy"] = egress.serve(ctx.listeners["egress"])
    if ctx.sidecar.gate is not None:
        pushes = AuditLog(ctx.sidecar.gateway_dir / GATE_AUDIT, container=ctx.sidecar.container_name)

        def record_push(row: dict[str, object]) -> None:
            try:
                pushes.append("push", **row)
            except AuditError as error:  # git has taken it already
                _log.error("a push is not recorded: %s", error.message)

        for name in ("gate", "gate-host"):
            if name in ctx.listeners:
                who = ctx.sidecar.container_name
                parts[name] = serve_gate(
                    ctx.listeners[name], ctx.sidecar.gate, stop=stop, who=who, tell=feed.tell, record=record_push
                )
        usage = ctx.sidecar.vault.usage if ctx.sidecar.vault is not None else None
        launched = usage.started if usage is not None else 0.0
        for push in earlier_pushes(ctx.sidecar.gate.mirror, ctx.sidecar.container_name, launched):
            feed.tell(push)
    for port in ctx.sidecar.loopback_ports:
        listener = ctx.listeners[loopback_listener(port).name]
        parts[f"port {port}"] = serve_loopback(listener, port, lambda: live.posture == "quarantine")
    return parts


def _log_failure(task: asyncio.Task[Any]) -> None:
    """Log why a part has ended before its time."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, TerokError):
        _log.error("%s: %s", task.get_name(), error.message)
    else:
        _log.error("%s: has ended", task.get_name(), exc_info=error)


async def _read_packet_log(log: socket.socket, sightings: Sightings) -> None:
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()

    def read() -> None:
        try:
            for packet in drain(log):
                sightings.record_packet(packet)
        except AuditError as error:
            if not failed.done():
                failed.set_exception(error)

    loop.add_reader(log, read)
    try:
        await failed
    finally:
        loop.remove_reader(log)


async def _follow_host_addresses(channel: NftChannel, own: list[str]) -> None:
    """Keep the host out of its containers' reach, also a laptop that changes networks."""
    known: list[str] | None = None
    async for current in address_changes():
        if current != known:
            await channel.run(host_command(current))
            known = own[:] = current
