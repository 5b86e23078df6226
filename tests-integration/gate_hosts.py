"""Real upstreams on loopback for the tests of the gate: an OpenSSH server, and git over https behind a token."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import os
import pwd
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme

HTTP_BACKEND = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()

NAME = "forge.example.test"
"""Another name of the https host, to which only `leading_to` leads."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def ssh_host(place: Path, sshd: str) -> Iterator[tuple[str, Path]]:
    """Run sshd as this user; yield the start of an address, and the socket of an agent with the only key it accepts."""
    place.mkdir(mode=0o700)
    for key in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / key)], check=True)
    port = free_port()
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": place / "host",
        "AuthorizedKeysFile": place / "client.pub",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PidFile": "none",
    }
    (place / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    agent = place / "agent"
    with (place / "log").open("w") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", str(place / "config")], stderr=log)
        keys = subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if agent.exists() and probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (place / "log").read_text()
            time.sleep(0.05)
        add = ["ssh-add", "-q", str(place / "client")]
        subprocess.run(add, env={**os.environ, "SSH_AUTH_SOCK": str(agent)}, check=True)
        yield f"ssh://{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1:{port}", agent
    finally:
        for process in (server, keys):
            process.terminate()
            process.wait(10)


class _Git(http.server.BaseHTTPRequestHandler):
    root: Path
    token: str
    seen: list[str]
    pulls: list[tuple[str, str, str]]

    def _serve(self) -> None:
        given = self.headers.get("Authorization", "")
        self.seen.append(given)
        if given == f"token {self.token}":
            given = "Basic " + base64.b64encode(f":{self.token}".encode()).decode()
        login = base64.b64decode(given.removeprefix("Basic ")).decode() if given.startswith("Basic ") else ""
        if login.partition(":")[2] != self.token:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="forge"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path.startswith("/api/"):
            self._open_pull_request(json.loads(body))
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "person",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(
            [f"{HTTP_BACKEND}/git-http-backend"], input=body, env=env, capture_output=True, timeout=60
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split(" ")[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _open_pull_request(self, wanted: dict[str, str]) -> None:
        self.pulls.append((self.path, wanted["base"], wanted["title"]))
        content = json.dumps({"html_url": f"https://{self.headers['Host']}/pulls/1"}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve  # noqa: N815 - the names that the base class looks for

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def https_host(
    place: Path, root: Path, token: str
) -> Iterator[tuple[str, Path, list[str], list[tuple[str, str, str]]]]:
    """Serve `root`, and Forgejo's call for a pull request, to clients with the token.

    Yields the URL, the CA's certificate, the credentials presented, and (path, base, title) of each pull request.
    """
    place.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(place / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", NAME).configure_cert(context)
    seen: list[str] = []
    pulls: list[tuple[str, str, str]] = []
    handler = type("Git", (_Git,), {"root": root, "token": token, "seen": seen, "pulls": pulls})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", place / "ca.pem", seen, pulls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Connect(http.server.BaseHTTPRequestHandler):
    target: int

    def do_CONNECT(self) -> None:
        with socket.create_connection(("127.0.0.1", self.target)) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass, args=(there, self.connection))
            back.start()
            _pass(self.connection, there)
            back.join()

    def log_message(self, *_: object) -> None:
        pass


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def leading_to(url: str) -> Iterator[str]:
    """Run a proxy that leads every CONNECT to the host of `url`; yield the proxy's URL."""
    handler = type("Proxy", (_Connect,), {"target": int(url.rpartition(":")[2])})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()
