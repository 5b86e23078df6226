"""A network of its own for the tests: documentation and metadata addresses lead into a namespace on this machine.

Tests of the firewall aim at addresses that must be refused. With this laboratory a hole lands here, where every
connection and datagram is recorded, and never outside. Needs root: `tools/test` calls it when it can become root.

    lab.py up RECORD     make the namespace, start the recorder (appends one JSON line per contact to RECORD)
    lab.py down          stop the recorder, remove the namespace
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

NAMESPACE = "terok-lab"
OUTER, INNER = "tlab0", "tlab1"
PID_FILE = Path("/run/terok-lab.pid")
# Only ranges that no site uses for its own services (some put package mirrors on a documentation address).
NETWORKS = ("198.51.100.0/24", "169.254.169.254/32", "100.100.100.200/32", "10.254.0.0/24")
OUTER6, ADDRESS6 = "2001:db8:1::1", "2001:db8:1::10"
TCP_PORTS, UDP_PORTS = (22, 53, 80, 443, 853, 8080), (53, 443, 5353, 8080)


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, stdin=subprocess.DEVNULL, capture_output=not check)


def up(record: Path) -> None:
    down()
    ip("netns", "add", NAMESPACE)
    ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAMESPACE)
    ip("link", "set", OUTER, "up")
    for words in (("link", "set", "lo", "up"), ("link", "set", INNER, "up"), ("route", "add", "default", "dev", INNER)):
        ip("-n", NAMESPACE, *words)
    for network in NETWORKS:
        ip("route", "add", network, "dev", OUTER)
        ip("-n", NAMESPACE, "route", "add", "local", network, "dev", "lo")
    ip("-6", "addr", "add", f"{OUTER6}/64", "dev", OUTER, "nodad")  # IPv6 needs a neighbor that answers
    ip("-n", NAMESPACE, "-6", "addr", "add", f"{ADDRESS6}/64", "dev", INNER, "nodad")
    record.write_text("")
    record.chmod(0o644)
    recorder = subprocess.Popen(
        ["ip", "netns", "exec", NAMESPACE, sys.executable, __file__, "record", str(record)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert recorder.stdout is not None
    if recorder.stdout.readline() != b"ready\n":
        raise SystemExit("lab: the recorder did not start")
    PID_FILE.write_text(str(recorder.pid))


def down() -> None:
    if PID_FILE.exists():
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.killpg(int(PID_FILE.read_text()), signal.SIGTERM)
        PID_FILE.unlink()
    ip("link", "del", OUTER, check=False)
    ip("netns", "del", NAMESPACE, check=False)


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
    print("ready", flush=True)
    with path.open("a", buffering=1) as log:
        while True:
            for key, _ in selector.select():
                kind, port = key.data
                assert isinstance(key.fileobj, socket.socket)
                if kind == socket.SOCK_STREAM:
                    connection, peer = key.fileobj.accept()
                    local = connection.getsockname()[0]
                    answer(connection, port)
                else:
                    _, peer = key.fileobj.recvfrom(2048)
                    local = "*"
                log.write(json.dumps({"proto": kind.name, "port": port, "to": local, "from": peer[0]}) + "\n")


def answer(connection: socket.socket, port: int) -> None:
    """Close a connection; on port 80 say something first, for clients that want to see success; 8080 goes on."""
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
    """Keep a connection busy for half a minute: it ends sooner only if it is cut."""
    with contextlib.suppress(OSError), connection:
        for _ in range(600):
            connection.sendall(b"tick\n")
            time.sleep(0.05)


def main() -> None:
    match sys.argv[1:]:
        case ["up", path]:
            up(Path(path))
        case ["down"]:
            down()
        case ["record", path]:
            record(Path(path))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
