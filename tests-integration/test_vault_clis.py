"""Real clients in a real container through the vault: curl, git and a WebSocket, over http, https and the socket."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from supervised import wait_for
from support import Shell
from terok_sandbox import RunSpec, Sandbox
from terok_sandbox.config import SandboxConfig
from terok_sandbox.supervise import client
from terok_sandbox.vault.unlock import open_vault, provision_session

PROVIDER = "it-web"
IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
GIT = ["git", "-c", "user.name=A Person", "-c", "user.email=person@example.test"]

WEBSOCKET = r"""
import base64, os, socket, struct
s = socket.create_connection(("127.0.0.1", 9419), timeout=20)
s.sendall(("GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
  "Sec-WebSocket-Version: 13\r\n"
  "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode() + "\r\nAuthorization: Bearer " + os.environ["TOKEN"]
  + "\r\n\r\n").encode())
data = b""
while b"\r\n\r\n" not in data:
    data += s.recv(4096)
head, _, data = data.partition(b"\r\n\r\n")
print(head.split(b"\r\n")[0].decode())
key, text = b"\1\2\3\4", b"hello over there"
s.sendall(bytes([0x81, 0x80 | len(text)]) + key + bytes(b ^ key[i % 4] for i, b in enumerate(text)))
while len(data) < 2 or len(data) < 2 + data[1]:
    data += s.recv(4096)
print(data[2:2 + data[1]].decode())
"""

# Has each of the texts on its input echoed in an answer that comes in two steps, and tells how each answer was cut. The
# second step is asked for when the first has arrived: nothing depends on the time it takes.
ORACLE = r"""
import http.client, json, os, socket, sys
def request(path, body):
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {os.environ['TOKEN']}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
def look(guess):
    with socket.create_connection(("127.0.0.1", 9419), timeout=20) as s, s.makefile("rb") as answer:
        s.sendall(request("/echo", guess))
        while (line := answer.readline()) != b"\r\n":
            assert line
        sizes, text = [], b""
        while size := int(answer.readline(), 16):
            sizes.append(size)
            text += answer.read(size)
            answer.readline()
            if len(sizes) == 1:
                with socket.create_connection(("127.0.0.1", 9419), timeout=20) as other:
                    other.sendall(request("/go", ""))
                    assert other.recv(100).startswith(b"HTTP/1.1 200")
        return sizes, text.decode()
print(json.dumps([look(guess) for guess in json.load(sys.stdin)]))
"""

# Holds what the service said, as an agent's memory does.
CLIENT = r"""
import os, sys, time, urllib.request
ask = urllib.request.Request("http://127.0.0.1:9419/kept", headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
kept = urllib.request.urlopen(ask).read()
open("/tmp/kept", "wb").write(kept)
time.sleep(600)
"""
# Reads words from its input and looks for them, and for a word that is there, in all files, processes and environments.
SEARCH = r"""
import json, os, re, stat, sys
words = [word.encode() for word in json.load(sys.stdin)]
found, seen = {}, 0
def look(place, pieces):
    tail = b""
    for piece in pieces:
        for number, word in enumerate(words):
            if word in tail + piece:
                found.setdefault(number, []).append(place)
        tail = piece[-200:]
def pieces(file, left):
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        left -= len(piece)
        yield piece
for folder, folders, names in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
    for name in names:
        path = os.path.join(folder, name)
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as file:
                    look(path, pieces(file, 1 << 40))
        except OSError:
            pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid():
        continue
    for name in ("environ", "cmdline"):
        try:
            look(f"{pid} {name}", [open(f"/proc/{pid}/{name}", "rb").read()])
        except OSError:
            pass
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in maps:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if line.split()[1][0] == "r" and "[v" not in line:
                    try:
                        mem.seek(start)
                        look(f"{pid} memory", pieces(mem, end - start))
                        seen += 1
                    except OSError:
                        pass
    except OSError:
        pass
print(json.dumps({"found": found, "regions": seen}))
"""


class Web(BaseHTTPRequestHandler):
    """A service that takes one key, as Bearer or as Basic: it shows requests, serves git, echoes a WebSocket."""

    protocol_version = "HTTP/1.1"
    key = ""
    root = Path()
    go = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            given = "Bearer " + base64.b64decode(given[6:]).decode().partition(":")[2]
        length = int(self.headers.get("Content-Length", 0))
        body = self.chunks() if self.headers.get("Transfer-Encoding") else self.rfile.read(length)
        if given != f"Bearer {self.key}":
            self.reply(401, b"no", {"WWW-Authenticate": "Basic"})
        elif self.path == "/ws":
            self.websocket()
        elif self.path == "/echo":
            self.echo(body)
        elif self.path.startswith("/git/"):
            self.git(body)
        else:
            self.go.set()
            shown = {"size": len(body), "path": self.path, "headers": dict(self.headers)}
            self.reply(200, json.dumps(shown).encode(), {"Content-Type": "application/json"})

    do_POST = do_PUT = do_GET  # noqa: N815

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def git(self, body: bytes) -> None:
        path, _, query = self.path.removeprefix("/git").partition("?")
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": "x",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.reply(int(headers.pop("Status", "200")[:3]), content, headers)

    def echo(self, guess: bytes) -> None:
        self.go.clear()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"it was: " + guess, b"and so on\n"):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.go.wait(20)
        self.wfile.write(b"0\r\n\r\n")

    def websocket(self) -> None:
        magic = (self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(magic).digest()).decode())
        self.end_headers()
        first = self.rfile.read(2)
        key, size = self.rfile.read(4), first[1] & 0x7F
        text = bytes(byte ^ key[place % 4] for place, byte in enumerate(self.rfile.read(size)))
        answer = text + b" with " + self.key.encode()
        self.wfile.write(bytes([0x81, len(answer)]) + answer)
        self.close_connection = True


@pytest.fixture
def web(tmp_path: Path) -> Iterator[type[Web]]:
    """Serve a repository and the rest on the loopback; gives what it was set up with."""
    source = tmp_path / "source"
    subprocess.run([*GIT, "init", "-q", "-b", "main", str(source)], check=True)
    (source / "README.md").write_text("# From the web\n" * 5000)
    for words in (["add", "."], ["commit", "-q", "-m", "Start"]):
        subprocess.run([*GIT, "-C", str(source), *words], check=True)
    bare = tmp_path / "web/project.git"
    subprocess.run([*GIT, "clone", "-q", "--bare", str(source), str(bare)], check=True)
    subprocess.run([*GIT, "-C", str(bare), "config", "http.receivepack", "true"], check=True)
    Web.key, Web.root = "real-" + secrets.token_urlsafe(36), bare.parent
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    Web.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Web
    server.shutdown()
    server.server_close()


@pytest.fixture
def box(ready: Shell, base_image: str, container: str, web: type[Web]) -> str:
    """Give a container that holds a token for the service."""
    config = SandboxConfig()
    provision_session(config)
    database = open_vault(config)
    database.store_credential("default", PROVIDER, {"type": "api_key", "key": web.key})
    token = database.create_token(container, PROVIDER, "default")
    database.close()
    routes = json.loads(config.routes_path.read_text())
    routes[PROVIDER] = {"upstream": web.url}  # type: ignore[attr-defined]
    config.routes_path.write_text(json.dumps(routes))
    Sandbox(config).run(
        RunSpec(container_name=container, image=IMAGE, command=("sleep", "600"), env={"TOKEN": token}, workdir="/tmp")
    )
    return container


def inside(sh: Shell, box: str, script: str) -> str:
    return sh("podman", "exec", box, "sh", "-ec", script, timeout=60).out


@pytest.mark.attack("TOK-3")
def test_curl_git_and_a_websocket_use_a_key_they_never_see(ready: Shell, box: str, web: type[Web]) -> None:
    ways = {
        "http": "http://127.0.0.1:9419",
        "https": "--http2 --cacert /run/terok/vault-ca.pem https://localhost:9420",
        "unix": "--unix-socket /run/terok/vault.sock http://localhost",
    }
    for way, url in ways.items():
        shown = json.loads(inside(ready, box, f'curl -sS -m 20 -H "Authorization: Bearer $TOKEN" {url}/a%2Fb'))
        assert shown["path"] == "/a%2Fb", way
        assert shown["headers"]["Authorization"] == "Bearer " + "*" * len(web.key), way
    upload = "head -c 50000000 /dev/zero | curl -sS -m 100 -T - -u x:$TOKEN http://127.0.0.1:9419/up"
    assert json.loads(inside(ready, box, upload))["size"] == 50_000_000
    assert (
        "SSL certificate problem"
        in ready("podman", "exec", box, "curl", "-sS", "https://localhost:9420/", code=None).text
    )

    remote = "https://x:$TOKEN@localhost:9420/git/project.git"
    out = inside(
        ready,
        box,
        f"export GIT_SSL_CAINFO=/run/terok/vault-ca.pem; git clone -q {remote} p; cd p; wc -l < README.md; date > new;"
        "git add .; git -c user.name=a -c user.email=a@b commit -qm 'From inside';"
        "git push -q origin HEAD:refs/heads/more",
    )
    assert out.strip() == "5000"
    log = ready("git", "-C", str(web.root / "project.git"), "log", "--format=%s", "more").out
    assert log.split("\n")[0] == "From inside"

    (script := Path(ready.cwd) / "ws.py").write_text(WEBSOCKET)
    ready("podman", "cp", str(script), f"{box}:/tmp/ws.py")
    answer = inside(ready, box, "python3 /tmp/ws.py")
    assert answer.split("\n")[:2] == ["HTTP/1.1 101 Switching Protocols", "hello over there with " + "*" * len(web.key)]

    # All files, environments and memory of the container hold what stands in place of the key, and never the key.
    for name, text in (("client", CLIENT), ("search", SEARCH)):
        (script := Path(ready.cwd) / f"{name}.py").write_text(text)
        ready("podman", "cp", str(script), f"{box}:/tmp/{name}.py")
    ready("podman", "exec", "-d", box, "python3", "/tmp/client.py")
    inside(ready, box, "while ! grep -q kept /tmp/kept 2>/dev/null; do sleep 0.1; done")
    token = inside(ready, box, "printf %s $TOKEN")
    core = base64.b64encode(web.key.encode()).decode().rstrip("=")[:-1]
    words = json.dumps([web.key, core, token, '"path": "/kept"'])
    done = ready("podman", "exec", "-i", box, "python3", "/tmp/search.py", stdin=words, timeout=300).json()
    assert set(done["found"]) == {"2", "3"} and done["regions"] > 50, done
    for number, place in (("2", "environ"), ("2", "memory"), ("3", "/tmp/kept"), ("3", "memory")):
        assert any(place in one for one in done["found"][number]), "the search finds what is there"

    ask = f'curl -sS -m 20 -o /tmp/a -w "%{{http_code}}" -H "Authorization: Bearer $TOKEN" {ways["unix"]}/a'
    ready("terok-sandbox", "shield", "quarantine", box)
    assert inside(ready, box, ask) == "403", "in quarantine nothing leaves, not to the provider either"
    ready("terok-sandbox", "shield", "up", box)
    assert inside(ready, box, ask) == "200"


@pytest.mark.attack("ORA-1")
def test_a_container_cannot_tell_from_an_echo_how_much_of_a_guess_is_right(
    ready: Shell, box: str, web: type[Web]
) -> None:
    """Guess the next character of the key, look at how the answer is cut: this read a key in seconds."""
    (script := Path(ready.cwd) / "oracle.py").write_text(ORACLE)
    ready("podman", "cp", str(script), f"{box}:/tmp/oracle.py")
    spellings = (
        str,
        lambda text: text.encode().hex(),
        lambda text: base64.b64encode(b"x:" + text.encode()).decode(),
        lambda text: "".join(f"%{ord(sign):02x}" for sign in text),
    )
    guesses = [
        spelled(web.key[:known] + sign)
        for spelled in spellings
        for known in range(0, len(web.key), 5)
        for sign in (web.key[known], "~")
    ]
    done = ready("podman", "exec", "-i", box, "python3", "/tmp/oracle.py", stdin=json.dumps(guesses), timeout=300)
    seen = done.json()
    assert [text for _, text in seen] == [f"it was: {guess}and so on\n" for guess in guesses]
    for right, wrong in zip(seen[::2], seen[1::2], strict=True):
        assert right[0] == wrong[0], (right, wrong)
    whole = ready("podman", "exec", "-i", box, "python3", "/tmp/oracle.py", stdin=json.dumps([web.key]))
    assert whole.json()[0][1] == f"it was: {'*' * len(web.key)}and so on\n"


# Opens connections and says nothing, while and after which one asks properly.
CROWD = r"""
import resource, socket, ssl, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
def ask(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        https = ssl.create_default_context(cafile="/run/terok/vault-ca.pem")
        with https.wrap_socket(plain, server_hostname="localhost") if port == 9420 else plain as client:
            client.sendall(b"GET /-/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return client.recv(100).split(b"\r\n")[0].decode()
for port in (9420, 9419):
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(6000)]
    print(ask(port))
    for one in crowd:
        one.close()
    print(ask(port))
"""


@pytest.mark.attack("ACC-1")
def test_a_silent_crowd_costs_bounded_memory_and_keeps_nobody_out(ready: Shell, box: str) -> None:
    """ACC-1: 6,000 connections without a handshake, then as many without a request, from inside the container."""
    inside(ready, box, "curl -sS -m 20 http://127.0.0.1:9419/-/health")
    status: dict[str, Any] = {}

    def all_run() -> bool:
        status.update(client.status(SandboxConfig(), box))
        return all(one["pid"] for one in status["workers"].values())

    wait_for(all_run)
    pids = [status["pid"], *(one["pid"] for one in status["workers"].values())]
    before = [most_memory(pid) for pid in pids]
    answers = ready("podman", "exec", "-i", box, "python3", "-", stdin=CROWD, timeout=300).out.split("\n")
    assert answers[:4] == ["HTTP/1.1 200 OK"] * 4
    grown = [most_memory(pid) - old for pid, old in zip(pids, before, strict=True)]
    assert max(grown) < 80, f"MiB: {grown}"


def most_memory(pid: int) -> int:
    """Return the most memory a process ever had, in MiB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
