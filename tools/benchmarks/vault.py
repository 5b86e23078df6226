"""Requests, streamed answers and bodies through the vault proxy against the least that asyncio can do.

All of it on the loopback and over kept connections, in one run: one client, one provider, and between them nothing, a
bare relay (`_relay.py`), the broker as it serves a container, or, where it is installed, an nginx that injects the
header. The broker writes its audit.

Budgets are ratios to the relay: it has the same interpreter, event loop and sockets, so the ratio is what the vault's
own work costs. Per request that is an audit row before anything is dialed and one after, the recognition of the token
by its hash, a look whether vault, routes or quarantine have changed, a head made anew in either direction, and the
search of the answer for secrets. (Usage is not metered here.) nginx does none of it and is compiled: no proxy in Python
comes near it, whatever it leaves out, so its figures are for information.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from _relay import relay
from launch import memory
from terok_sandbox.audit import read_audit
from terok_sandbox.broker import serve
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.sidecar import PolicyTiers, ShieldWiring, Sidecar, VaultWiring
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.store import CredentialDB

SECRET = "sk-bench-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 900}]}).encode()
REPLY = b'{"content": "' + b"y" * 1000 + b'"}'
BLOCK = (b'{"type":"content_block_delta","delta":{"text":"some words of an answer"}}\n' * 3600)[: 256 * 1024]
MEMORY_STREAMS = 200
EVENTS = 200
BODY_BYTES = 20 * 1024 * 1024


class Provider(asyncio.Protocol):
    """Answers POST with a small document, `/down/N` with N bytes, `/events` with a stream; takes any upload."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.data, self.left, self.upload = transport, b"", 0, 0
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.upload:
            self.upload -= len(data)
            if self.upload == 0:
                self.answer()
            return
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            have = len(self.data) - end - 4
            if have < length and length > 1_000_000:
                self.data, self.upload = b"", length - have
                return
            if have < length:
                return
            self.data = self.data[end + 4 + length :]
            if b" /down/" in head:
                self.left = int(head.partition(b" /down/")[2].partition(b" ")[0])
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.left)
                self.resume_writing()
            elif b" /events" in head:
                self.stream(0)
            else:
                self.answer()

    def stream(self, number: int) -> None:
        """Send an event as a chunk of its own with each turn of the loop, as a model does."""
        if number == 0:
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
        data = b"event: content_block_delta\ndata: " + BLOCK[:72] + b"\n"
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        if number + 1 < EVENTS:
            asyncio.get_running_loop().call_soon(self.stream, number + 1)
        else:
            self.transport.write(b"0\r\n\r\n")

    def answer(self) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
            b"request-id: req_0123456789\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % len(REPLY) + REPLY
        )

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        asyncio.get_running_loop().call_soon(self.fill)  # a write from within here may end the transport twice

    def fill(self) -> None:
        while self.left and not self.full and not self.transport.is_closing():
            piece = BLOCK if self.left >= len(BLOCK) else BLOCK[: self.left]
            self.left -= len(piece)
            self.transport.write(piece)


class Loader(asyncio.Protocol):
    """One of the concurrent clients: sends the next request when an answer is complete."""

    def __init__(self, request: bytes, counts: list[int]) -> None:
        self.request, self.counts, self.data = request, counts, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.data = self.data + data if self.data else data
        if self.data.endswith(b'"}') and len(self.data) > len(REPLY):
            if not self.data.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"unexpected answer: {self.data[:200]!r}")
            self.counts[0] += 1
            self.data = b""
            self.transport.write(self.request)


def listener() -> socket.socket:
    opened = socket.create_server(("127.0.0.1", 0), backlog=512)
    opened.setblocking(False)
    return opened


@contextmanager
def child(work: Callable[[], object]) -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


async def provider(on: socket.socket) -> None:
    await (await asyncio.get_running_loop().create_server(Provider, sock=on)).serve_forever()


def forever(serving: Coroutine[None, None, None]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(serving)


def vault_files(folder: Path, upstream: int) -> tuple[Sidecar, str]:
    passphrase = generate_passphrase()
    session = folder / "session"
    session.write_text(passphrase)
    session.chmod(0o600)
    wiring = VaultWiring(folder / "c.db", folder / "routes.json", folder / "audit.jsonl", session)
    wiring.routes_path.write_text(
        json.dumps({"p": {"upstream": f"http://127.0.0.1:{upstream}", "header": "x-api-key"}})
    )
    database = CredentialDB(wiring.db_path, passphrase, create=True)
    database.store_credential("default", "p", {"type": "api_key", "key": SECRET})
    token = database.create_token("bench", "p", "default")
    database.close()
    shield = ShieldWiring("filter", folder / "shield.jsonl", PolicyTiers())
    return Sidecar(1, "0", "bench", "s", folder, folder, wiring, None, shield), token


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[int]:
    with listener() as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; client_max_body_size 0; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;"
        f" fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f" upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; }} keepalive_requests 1000000;\n"
        f" server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u; proxy_http_version 1.1;"
        f' proxy_set_header Connection ""; proxy_set_header x-api-key "{SECRET}";'
        " proxy_buffering off; proxy_request_buffering off; proxy_buffer_size 256k; proxy_buffers 8 256k;"
        " client_body_buffer_size 256k; } } }\n"
    )
    process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def head(method: str, path: str, token: str, length: int = 0) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
        f"User-Agent: agent/1.0\r\nX-Stainless-Lang: js\r\nX-Stainless-Runtime: node\r\nX-Version: 2023-06-01\r\n"
        f"Accept-Language: *\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\nx-api-key: {token}\r\n"
        + (f"Content-Length: {length}\r\n\r\n" if length else "\r\n")
    ).encode()


def connect(port: int) -> socket.socket:
    for _ in range(100):
        try:
            made = socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    raise RuntimeError("nothing listens")


def latencies(ports: dict[str, int], token: str, rounds: int) -> dict[str, list[float]]:
    """Return seconds per request, the ways taken in turn so that all meet the same moments."""
    request = head("POST", "/v1/messages", token, len(BODY)) + BODY
    ways = {name: connect(port) for name, port in ports.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 200):
        for name, way in ways.items():
            began = time.perf_counter()
            way.sendall(request)
            answer = way.recv(65536)
            while not answer.endswith(b'"}'):
                answer += way.recv(65536)
            if number >= 200:
                times[name].append(time.perf_counter() - began)
    for way in ways.values():
        way.close()
    return times


def streamed(ports: dict[str, int], token: str, rounds: int = 30) -> dict[str, float]:
    """Return the median seconds of an answer in EVENTS events, from the request to its last byte, the ways in turn."""
    ways = {name: connect(port) for name, port in ports.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 3):
        for name, way in ways.items():
            began = time.perf_counter()
            way.sendall(head("POST", "/events", token, len(BODY)) + BODY)
            end = b""
            while not end.endswith(b"0\r\n\r\n"):
                end = end[-8:] + way.recv(65536)
            if number >= 3:
                times[name].append(time.perf_counter() - began)
    for way in ways.values():
        way.close()
    return {name: statistics.median(values) for name, values in times.items()}


async def throughput(port: int, token: str, seconds: float, connections: int = 32) -> float:
    loop, counts = asyncio.get_running_loop(), [0]
    request = head("POST", "/v1/messages", token, len(BODY)) + BODY
    transports = [
        (await loop.create_connection(lambda: Loader(request, counts), "127.0.0.1", port))[0]
        for _ in range(connections)
    ]
    await asyncio.sleep(0.3)
    counts[0], began = 0, time.perf_counter()
    await asyncio.sleep(seconds)
    rate = counts[0] / (time.perf_counter() - began)
    for transport in transports:
        transport.abort()
    return rate


def download(port: int, token: str, size: int) -> float:
    with connect(port) as way:
        way.sendall(head("GET", f"/down/{size}", token))
        buffer, got, began = bytearray(1 << 20), 0, time.perf_counter()
        while got < size:
            count = way.recv_into(buffer)
            if not count:
                raise RuntimeError("the download broke off")
            got += count
        return size / (time.perf_counter() - began) / 1e6


def upload(port: int, token: str, size: int) -> float:
    with connect(port) as way:
        began, left = time.perf_counter(), size
        way.sendall(head("POST", "/up", token, size))
        while left:
            left -= way.send(BLOCK[: min(left, len(BLOCK))])
        if not way.recv(65536).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("the upload was refused")
        return size / (time.perf_counter() - began) / 1e6


def best(ports: dict[str, int], figure: Callable[[int], float], rounds: int = 3) -> dict[str, float]:
    """Return each way's best figure of several, the ways taken in turn."""
    turns = [{name: figure(port) for name, port in ports.items()} for _ in range(rounds)]
    return {name: max(turn[name] for turn in turns) for name in ports}


def processor_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def under_streams(port: int, token: str, pid: int) -> tuple[float, float] | None:
    """Return the broker's MiB before and during streams whose clients read slowly; ``None`` if nobody here may know."""
    before, ways = memory([pid]), []
    if before is None:
        return None
    for _ in range(MEMORY_STREAMS):
        way = connect(port)
        way.sendall(head("GET", "/down/100000000", token))
        ways.append(way)
    for _ in range(3):
        for way in ways:
            way.recv(65536)
        time.sleep(0.3)
    during = memory([pid])
    for way in ways:
        way.close()
    return None if during is None else (before, during)


class Report:
    """Figures beside their budgets."""

    def __init__(self) -> None:
        self.missed = 0

    def row(self, what: str, value: float, unit: str, detail: str, *, least: float = 0, most: float = 0) -> None:
        ok = (not least or value > least) and (not most or value < most)
        self.missed += not ok
        budget = f"> {least:g}" if least else f"< {most:g}" if most else ""
        print(f"{'ok' if ok else 'MISSED':7}{what:30}{value:10.3g} {unit:6} {budget:9} {detail}")

    def against(
        self,
        what: str,
        values: dict[str, float],
        shown: dict[str, float],
        unit: str,
        *,
        least: float = 0,
        most: float = 0,
    ) -> None:
        """Judge the vault's figure by the relay's; direct and nginx stand beside them."""
        self.row(f"{what}, of relay", values["vault"] / values["relay"], "x", show(shown, unit), least=least, most=most)
        if "nginx" in values:
            self.row(f"{what}, of nginx", values["vault"] / values["nginx"], "x", "")


def measure(arguments: argparse.Namespace, stack: ExitStack, folder: Path, report: Report) -> None:
    upstream, front, between = (stack.enter_context(listener()) for _ in range(3))
    target = upstream.getsockname()[1]
    sidecar, token = vault_files(folder, target)
    stack.enter_context(child(lambda: forever(provider(upstream))))
    stack.enter_context(child(lambda: forever(relay(between, target))))
    broker = stack.enter_context(child(lambda: serve(WorkerContext(sidecar, {"vault": front}, None, None, 1))))
    ports = {"direct": target, "relay": between.getsockname()[1], "vault": front.getsockname()[1]}
    if shutil.which("nginx"):
        ports["nginx"] = stack.enter_context(nginx(folder, target))

    times = latencies(ports, token, arguments.requests)
    middle = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    slow = {name: statistics.quantiles(values, n=100)[98] * 1e3 for name, values in times.items()}
    added = {name: middle[name] - middle["direct"] for name in ports}
    report.against("added latency p50", added, middle, "ms", most=8)
    report.row("added latency p99", slow["vault"] - slow["direct"], "ms", show(slow, "ms"))

    started = processor_seconds(broker)
    rates = best(ports, lambda port: asyncio.run(throughput(port, token, arguments.seconds)))
    spent = processor_seconds(broker) - started
    report.against("requests/s", rates, rates, "1/s", least=0.15)
    rows = sum(1 for row in read_audit(sidecar.vault.audit_path) if row["action"] == "response")
    report.row("processor time of a request", spent / max(1, rows - arguments.requests - 200) * 1e6, "us", "")

    events = {name: value * 1e3 for name, value in streamed(ports, token).items()}
    report.against(f"{EVENTS} events", events, events, "ms", most=1.5)
    # Of an answer all is searched, with about twelve passes of libc's search; of an upload nothing is.
    for what, way, least in (("download", download, 0.4), ("upload", upload, 0.7)):
        bodies = best(ports, lambda port, way=way: way(port, token, BODY_BYTES), rounds=15)
        report.against(f"20 MiB {what}", bodies, bodies, "MB/s", least=least)

    size = arguments.megabytes * 1_000_000
    for what, way in (("down", download), ("up", upload)):
        speeds = best(ports, lambda port, way=way: way(port, token, size))
        report.row(f"streaming {what}, of direct", speeds["vault"] / speeds["direct"], "x", show(speeds, "MB/s"))

    if (seen := under_streams(ports["vault"], token, broker)) is not None:
        detail = f"{seen[0]:.0f} MiB before, {seen[1]:.0f} MiB during"
        report.row(f"memory of {MEMORY_STREAMS} streams", seen[1] - seen[0], "MiB", detail)


def show(values: dict[str, float], unit: str) -> str:
    return ", ".join(f"{name} {value:.4g} {unit}" for name, value in values.items())


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench vault", description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000, help="requests per way for the latency")
    parser.add_argument("--seconds", type=float, default=3, help="length of each throughput run")
    parser.add_argument(
        "--megabytes", type=int, default=1000, help="size of each stream, of which there are three each way"
    )
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bench-vault-") as name, ExitStack() as stack:
        measure(parser.parse_args(args), stack, Path(name), report)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
