"""A network for the tests: documentation and metadata addresses lead into a namespace on this machine.

Tests of the firewall aim at addresses that must be refused. With this laboratory a hole lands here, where every
connection and datagram is recorded, and never outside. Needs root: `tools/test` calls it when it can become root.

    lab.py serve RECORD  make the namespace, say "ready", append one JSON line per contact to RECORD until the end of
                         standard input, remove the namespace; waits while another run has one
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

NAMESPACE = "terok-lab"
OUTER, INNER = "tlab0", "tlab1"
LOCK = Path("/run/terok-lab.lock")
# Ranges that no site uses for its own services; some put package mirrors on a documentation address.
NETWORKS = ("198.51.100.0/24", "169.254.169.254/32", "100.100.100.200/32", "10.254.0.0/24")
OUTER6, ADDRESSES6 = "2001:db8:1::1", tuple(f"2001:db8:1::{number}" for number in (10, 11, 12))
FENCE = "198.51.100.254"  # the tests contact it before they read the record, so that earlier rows are complete
TCP_PORTS, UDP_PORTS = (22, 53, 80, 443, 853, 8080), (53, 443, 5353, 8080)


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, stdin=subprocess.DEVNULL, capture_output=not check)


def serve(record: Path) -> None:
    """Hold the only laboratory of this machine until standard input ends."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)  # the end of standard input says that the caller has ended
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("== waiting for the laboratory network: another run has it", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        down()  # remains of a killed one
        record.write_text("")
        record.chmod(0o644)
        try:
            up()
            with recorder(record):
                print("ready", flush=True)
                sys.stdin.read()
        finally:
            down()


def up() -> None:
    ip("netns", "add", NAMESPACE)
    ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAMESPACE)
    ip("link", "set", OUTER, "up")
    for words in (("link", "set", "lo", "up"), ("link", "set", INNER, "up"), ("route", "add", "default", "dev", INNER)):
        ip("-n", NAMESPACE, *words)
    for network in NETWORKS:
        ip("route", "add", network, "dev", OUTER)
        ip("-n", NAMESPACE, "route", "add", "local", network, "dev", "lo")
    ip("-6", "addr", "add", f"{OUTER6}/64", "dev", OUTER, "nodad")  # IPv6 needs a neighbor that answers
    for address in ADDRESSES6:
        ip("-n", NAMESPACE, "-6", "addr", "add", f"{address}/64", "dev", INNER, "nodad")


def down() -> None:
    ip("link", "del", OUTER, check=False)
    ip("netns", "del", NAMESPACE, check=False)


@contextlib.contextmanager
def recorder(record: Path) -> Iterator[None]:
    """Answer and record in the namespace."""
    words = ["ip", "netns", "exec", NAMESPACE, sys.executable, __file__, "record", str(record)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise SystemExit("lab: the recorder did not start")
            yield
        finally:
            process.kill()


def record(path: Path) -> None:
    selector = selectors.DefaultSelector()
    for kind, ports in ((socket.SOCK_STREAM, TCP_PORTS), (socket.SOCK_DGRAM, UDP_PORTS)):
        for port in ports:
            sock = socket.socket(socket.AF_INET6, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            selector.register(sock, selectors.EVENT_READ, (kind, port))
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    with path.open("a", buffering=1) as log:
        while True:
            for key, _ in selector.select():
                if key.data is None:  # the caller has ended
                    return
                kind, port = key.data
                assert isinstance(key.fileobj, socket.socket)
                connection, local = None, "*"
                if kind == socket.SOCK_STREAM:
                    connection, peer = key.fileobj.accept()
                    local = connection.getsockname()[0]
                else:
                    data, peer = key.fileobj.recvfrom(2048)
                    local = FENCE if data == FENCE.encode() else "*"
                # Written before the answer, so that a test with the answer finds the row.
                row = {"proto": kind.name, "port": port, "to": local, "from": peer[0], "from_port": peer[1]}
                log.write(json.dumps(row) + "\n")
                if connection is not None:
                    answer(connection, port)


def answer(connection: socket.socket, port: int) -> None:
    """Close a connection; first answer on port 80, for clients that expect success. Port 8080 keeps talking."""
    if port == 8080:
        threading.Thread(target=tick, args=(connection,), daemon=True).start()
        return
    with contextlib.suppress(OSError), connection:
        if port == 80:
            connection.settimeout(0.2)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nlaboratory\n")
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)


def tick(connection: socket.socket) -> None:
    """Keep a connection busy for half a minute, so that an earlier end means it was cut."""
    with contextlib.suppress(OSError), connection:
        for _ in range(600):
            connection.sendall(b"tick\n")
            time.sleep(0.05)


def main() -> None:
    match sys.argv[1:]:
        case ["serve", path]:
            serve(Path(path))
        case ["record", path]:
            record(Path(path))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
