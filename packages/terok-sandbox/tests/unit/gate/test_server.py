from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.layout import sweep_quarantine
from terok_sandbox.gate.server import GateLimits

if TYPE_CHECKING:
    from conftest import Repo, Serving

TOKEN = "tk-0123456789abcdef"  # as conftest serves with


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(url: str, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, bytes]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", where.port or 0, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def fsck(gate: GitGate) -> None:
    subprocess.run(["git", "-C", str(gate.path), "fsck", "--full", "--strict"], check=True, capture_output=True)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_clone_fetch_push(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    assert agent.git("log", "--format=%s") == "second\nfirst"
    assert agent.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    tip = agent.commit("work.txt", "by the agent\n")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/agent/work")
    assert gate.branch_heads()["agent/work"] == tip
    new = upstream.commit("README", "third\n")
    gate.sync()
    agent.git("fetch", "-q")
    assert agent.git("rev-parse", "origin/main") == new
    agent.git("fetch", "-q", "--depth=1", "origin", "main")
    fsck(gate)


def test_the_reflogs_say_which_container_pushed(upstream: Repo, gate: GitGate, serving: Serving) -> None:
    for name in ("task-1", "task-2."):
        with serving(gate.path, who=name) as url:
            agent = upstream.clone(url, name)
            agent.commit("file", name)
            agent.git(
                "push", "-q", "origin", f"HEAD:refs/heads/of-{name.strip('.')}", "HEAD:refs/heads/shared", "--force"
            )
    logs = [
        upstream.try_git("--git-dir", str(gate.path), "log", "-g", "--format=%ge", ref).stdout.split()
        for ref in ("of-task-1", "of-task-2", "shared")
    ]
    assert logs == [["task-1@container"], ["task-2.@container"], ["task-2.@container", "task-1@container"]]


def test_a_commit_that_no_branch_holds_is_fetched_by_its_name(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    """A checkout on no branch: new work starts from its commit, which its mirror keeps."""
    assert gate.sync().start == upstream.git("rev-parse", "main")
    upstream.git("checkout", "-q", "--detach")
    start = upstream.commit("README", "on no branch")
    synced = gate.sync()
    assert (synced.start, synced.default_branch) == (start, None)
    assert any("on no branch" in note for note in synced.notes)
    agent.git("fetch", "-q", "origin", start)
    assert agent.git("rev-parse", "FETCH_HEAD") == start
    assert "refs/terok" not in agent.git("ls-remote", "origin")


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_every_protocol_version(upstream: Repo, url: str, version: str) -> None:
    clone = upstream.clone(url, f"v{version}", "-c", f"protocol.version={version}")
    trace = subprocess.run(
        ["git", "-C", str(clone.path), "-c", f"protocol.version={version}", "ls-remote", "origin"],
        env=clone.env | {"GIT_TRACE_PACKET": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ("version 2" in trace.stderr) == (version == "2")


def test_the_greeting_costs_no_process_twice(url: str, gate: GitGate, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/proj.git/info/refs?service=git-upload-pack"
    head = bearer() | {"Git-Protocol": "version=2"}
    status, greeting = ask(url, "GET", path, head)
    assert (status, b"version 2" in greeting, b"refs/heads" in greeting) == (200, True, False)
    assert ask(url, "GET", path, bearer())[1] != greeting, "version 0 lists the refs"

    def none(*_: object, **__: object) -> None:
        raise GateError("no process is started")

    monkeypatch.setattr("terok_sandbox.gate.server.spawn_service", none)
    assert ask(url, "GET", path, head) == (200, greeting)
    assert ask(url, "GET", path, {"Git-Protocol": "version=2"})[0] == 401
    assert ask(url, "GET", path, bearer())[0] >= 500
    shutil.rmtree(gate.path)
    assert ask(url, "GET", path, head)[0] >= 500


def test_the_token_is_needed(upstream: Repo, url: str) -> None:
    for wrong in (url.replace(TOKEN, TOKEN + "x"), url.replace(TOKEN + ":@", ""), url.replace(TOKEN, "")):
        done = upstream.try_git("-c", "core.askPass=true", "ls-remote", wrong)
        assert done.returncode != 0, wrong
    for right in (url, url.replace(TOKEN + ":", TOKEN), url.replace(TOKEN + ":", TOKEN + ":anything")):
        assert upstream.try_git("ls-remote", right).returncode == 0, right
    path = "/proj.git/info/refs?service=git-upload-pack"
    assert ask(url, "GET", path, {})[0] == 401
    assert ask(url, "GET", path, bearer("other"))[0] == 401
    assert ask(url, "GET", path, bearer(""))[0] == 401
    assert ask(url, "GET", path, bearer())[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/other.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/proj.git/../proj.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/proj%2egit/info/refs?service=git-upload-pack", 404),
        ("GET", "//proj.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/proj.git/config", 404),
        ("GET", "/proj.git/objects/info/packs", 404),
        ("GET", "/proj.git/info/refs", 403),
        ("GET", "/proj.git/info/refs?service=git-upload-archive", 403),
        ("GET", "/proj.git/info/refs?service=git-upload-pack&x=1", 403),
        ("POST", "/proj.git/git-upload-archive", 404),
        ("POST", "/proj.git/info/refs?service=git-upload-pack", 405),
        ("GET", "/proj.git/git-receive-pack", 405),
        ("PUT", "/proj.git/HEAD", 405),
        ("POST", "/proj.git/git-upload-pack", 415),
        ("GET", "/", 404),
    ],
)
def test_nothing_else_is_served(url: str, method: str, path: str, status: int) -> None:
    assert ask(url, method, path, bearer(), b"0000" if method == "POST" else None)[0] == status


def test_large_file_storage_is_answered_as_it_expects(url: str) -> None:
    for path, headers, status in (
        ("/proj.git/info/lfs/objects/batch", bearer(), 501),
        ("/proj.git/info/lfs/locks/verify", bearer(), 501),
        ("/proj.git/info/lfs/objects/batch", {}, 401),
    ):
        got, body = ask(url, "POST", path, headers | {"Content-Type": "application/vnd.git-lfs+json"}, b"{}")
        assert (got, sorted(json.loads(body))) == (status, ["message"])


def test_head_names_the_default_branch(url: str) -> None:
    assert ask(url, "GET", "/proj.git/HEAD", bearer()) == (200, b"ref: refs/heads/main\n")


def test_hidden_refs_are_neither_seen_nor_pushed(agent: Repo, gate: GitGate, url: str) -> None:
    assert "refs/terok" not in agent.git("ls-remote", "origin")
    assert agent.try_git("fetch", "origin", "refs/terok/upstream/main").returncode != 0
    before = gate._refs().refs
    for ref in ("refs/terok/upstream/main", "refs/terok/upstream/new", "refs/notes/x", "refs/x", "refs/heads/-x"):
        done = agent.try_git("push", "origin", f"+HEAD~1:{ref}")
        assert done.returncode != 0, ref
    assert agent.try_git("push", "origin", ":refs/terok/upstream/main").returncode != 0
    assert gate._refs().refs == before


def test_one_refused_ref_refuses_the_push(agent: Repo, gate: GitGate) -> None:
    agent.commit("a")
    done = agent.try_git("push", "origin", "HEAD:refs/heads/good", "HEAD:refs/other/bad")
    assert done.returncode != 0
    assert "terok gate: only branches and tags can be pushed" in done.stderr
    assert "good" not in gate.branch_heads()


def test_upstream_branches_only_move_forward(agent: Repo, gate: GitGate) -> None:
    tip = agent.commit("a")
    agent.git("push", "-q", "origin", "main")
    assert gate.branch_heads()["main"] == tip
    agent.git("commit", "-q", "--amend", "-m", "rewritten")
    done = agent.try_git("push", "--force", "origin", "main")
    assert "comes from the upstream and cannot be rewritten" in done.stderr
    done = agent.try_git("push", "origin", ":main")
    assert done.returncode != 0
    assert gate.branch_heads()["main"] == tip


def test_upstream_tags_stay(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    upstream.git("tag", "v1")
    gate.sync()
    agent.git("tag", "own")
    agent.git("push", "-q", "origin", "own")
    agent.git("tag", "-f", "v1", "HEAD~1")
    assert "cannot be moved" in agent.try_git("push", "--force", "origin", "v1").stderr
    assert "cannot be deleted" in agent.try_git("push", "origin", ":v1").stderr


def test_what_an_agent_overwrites_or_deletes_is_kept(agent: Repo, gate: GitGate) -> None:
    agent.git("checkout", "-q", "-b", "work")
    first = agent.commit("a", "1")
    agent.git("push", "-q", "origin", "work")
    agent.git("commit", "-q", "--amend", "-m", "again")
    second = agent.git("rev-parse", "HEAD")
    agent.git("push", "-q", "--force", "origin", "work")
    agent.git("push", "-q", "origin", ":work")
    saved = gate._refs().under("refs/terok/backup/work/")
    assert set(saved.values()) == {first, second}
    fsck(gate)


def test_big_chunked_push_and_clone(agent: Repo, gate: GitGate, upstream: Repo, url: str) -> None:
    tip = agent.commit("big.bin", os.urandom(60_000_000))
    done = agent.try_git("push", "origin", "HEAD:refs/heads/big")
    assert done.returncode == 0, done.stderr
    assert gate.branch_heads()["big"] == tip
    clone = upstream.clone(url, "again", "-b", "big")
    assert (clone.path / "big.bin").stat().st_size == 60_000_000


def test_push_with_a_known_length(agent: Repo, gate: GitGate) -> None:
    agent.git("config", "http.postBuffer", "100000000")
    tip = agent.commit("big.bin", os.urandom(3_000_000))
    agent.git("push", "-q", "origin", "HEAD:refs/heads/big")
    assert gate.branch_heads()["big"] == tip


def test_gzip_bodies(agent: Repo, gate: GitGate, url: str) -> None:
    oid = gate.branch_heads()["main"]
    wants = f"want {oid} no-progress\n"
    body = f"{len(wants) + 4:04x}{wants}00000009done\n".encode()
    headers = bearer() | {"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"}
    for extra in ({}, {"Expect": "100-continue"}):
        status, answer = ask(url, "POST", "/proj.git/git-upload-pack", headers | extra, gzip.compress(body))
        assert (status, b"PACK" in answer) == (200, True)
    for number in range(40):  # enough negotiation that git compresses it by itself
        agent.git("update-ref", f"refs/heads/b{number}", agent.git("commit-tree", "-m", str(number), "HEAD^{tree}"))
    trace = agent.try_git("-c", "protocol.version=0", "fetch", "origin", oid)
    assert trace.returncode == 0


def test_an_interrupted_or_corrupt_push_changes_nothing(agent: Repo, gate: GitGate, url: str) -> None:
    before = gate._refs().refs
    new = agent.commit("a.bin", os.urandom(2_000_000))
    pack = subprocess.run(
        ["git", "-C", str(agent.path), "pack-objects", "--revs", "--stdout"],
        input=f"{new}\n^{before['refs/heads/main']}\n".encode(),
        capture_output=True,
        check=True,
    ).stdout
    command = f"{'0' * 40} {new} refs/heads/cut\0report-status\n".encode()
    body = f"{len(command) + 4:04x}".encode() + command + b"0000" + pack
    head = (
        f"POST /proj.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\n"
    )
    port = urlsplit(url).port
    start = len(body) - len(pack)
    for cut in (0, 3, 50, start - 4, start, start + 4, start + 12, start + 13, 5000, len(body) // 2, -21, -20, -1):
        for framing in (f"Content-Length: {len(body)}\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
                raw.sendall((head + framing).encode())
                raw.sendall((f"{len(body):x}\r\n".encode() if "chunked" in framing else b"") + body[:cut])
                time.sleep(0.02)
    call = bearer() | {"Content-Type": "application/x-git-receive-pack-request"}
    for at in (start + 7, start + 20, len(body) // 2, len(body) - 3):
        corrupt = body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :]
        _, answer = ask(url, "POST", "/proj.git/git-receive-pack", call, corrupt)
        assert b"ok refs/heads/cut" not in answer
    wait_until(lambda: not children(gate))
    assert gate._refs().refs == before
    fsck(gate)
    sweep_quarantine(gate.path, idle=-1)
    assert not list(gate.path.glob("objects/tmp_objdir*"))
    status, answer = ask(
        url,
        "POST",
        "/proj.git/git-receive-pack",
        call,
        body,
    )
    assert (status, b"ok refs/heads/cut" in answer) == (200, True)


def test_the_backend_ends_with_its_client(upstream: Repo, gate: GitGate, url: str) -> None:
    upstream.commit("big.bin", os.urandom(30_000_000))
    gate.sync()
    oid = gate.branch_heads()["main"]
    wants = f"want {oid} no-progress\n"
    body = f"{len(wants) + 4:04x}{wants}00000009done\n".encode()
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=10) as raw:
        raw.sendall(
            f"POST /proj.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: application/x-git-upload-pack-request\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert raw.recv(1000)
        assert children(gate), "the backend runs, held up by a client that does not read"
    wait_until(lambda: not children(gate))


def children(gate: GitGate) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            serves = str(gate.path.parent).encode() in (entry / "environ").read_bytes()
            if serves and b"git" in (entry / "cmdline").read_bytes():
                found.append(entry.name)
    return found


def test_a_push_is_awaited_once_it_was_asked_for_and_not_for_long(
    agent: Repo, url: str, gate: GitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terok_sandbox.gate.server._READY_SECONDS", 3.0)
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=10)
    connection.request("GET", "/proj.git/info/refs?service=git-receive-pack", headers=bearer())
    assert connection.getresponse().read()
    wait_until(lambda: len(children(gate)) >= 3)  # git takes, lists and reads before there is a push
    wait_until(lambda: not children(gate))
    connection.close()
    agent.commit("README", "changed\n")
    agent.git("push", "-q", "origin", "HEAD:x")
    assert gate.branch_heads()["x"] == agent.git("rev-parse", "HEAD")
    wait_until(lambda: not children(gate) and not list(gate.path.glob("quarantine.*")))


def test_a_silent_client_is_ended(gate: GitGate, serving: Serving) -> None:
    request = (
        f"POST /proj.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100\r\n\r\n00"
    )
    with (
        serving(gate.path, GateLimits(idle_seconds=0.3)) as url,
        socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=10) as raw,
    ):
        raw.sendall(request.encode())
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while raw.recv(1000):
                pass
        assert time.monotonic() - started < 5
        assert not children(gate)


def test_too_big_a_pack_is_refused(agent: Repo, gate: GitGate, serving: Serving) -> None:
    with serving(gate.path, GateLimits(push_bytes=100_000)) as url:
        agent.commit("big.bin", os.urandom(2_000_000))
        done = agent.try_git("push", url, "HEAD:refs/heads/big")
        assert done.returncode != 0
        assert "big" not in gate.branch_heads()
        fsck(gate)


def pack_of(*entries: tuple[int, bytes, bytes]) -> bytes:
    """Return a pack of (kind, what precedes the compressed bytes, content)."""
    raw = b"PACK" + (2).to_bytes(4) + len(entries).to_bytes(4)
    for kind, before, content in entries:
        raw += number(len(content), first=kind) + before + zlib.compress(content)
    return raw + hashlib.sha1(raw).digest()


def number(value: int, first: int | None = None) -> bytes:
    """Return a number as packs spell it, in groups of seven bits, the first four beside the ``first`` kind."""
    groups = []
    if first is not None:
        groups.append(first << 4 | value & 15)
        value >>= 4
    while value or not groups:
        groups.append(value & 127)
        value >>= 7
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


@pytest.mark.attack("RES-1")
def test_a_small_pack_of_a_huge_file(gate: GitGate, serving: Serving) -> None:
    base, copies = bytes(0xFFFFFF), 10
    oid = hashlib.sha1(b"blob %d\0" % len(base) + base).digest()
    huge = number(len(base)) + number(len(base) * copies) + b"\xf0\xff\xff\xff" * copies
    pack = pack_of((3, b"", base), (7, oid, huge))
    assert len(pack) < 17_000, "of 160 MiB"
    command = f"{'0' * 40} {gate.branch_heads()['main']} refs/heads/huge\0report-status\n".encode()
    body = f"{len(command) + 4:04x}".encode() + command + b"0000" + pack
    call = bearer() | {"Content-Type": "application/x-git-receive-pack-request"}
    for memory, taken in ((128 * 1024**2, False), (1024**3, True)):
        with serving(gate.path, GateLimits(push_memory=memory)) as url:
            _, answer = ask(url, "POST", "/proj.git/git-receive-pack", call, body)
        assert (b"ok refs/heads/huge" in answer) == taken, answer
        fsck(gate)


def test_pushes_leave_room_on_the_disk(agent: Repo, gate: GitGate, serving: Serving) -> None:
    agent.commit("a")
    with serving(gate.path, GateLimits(free_bytes=10**18)) as url:
        done = agent.try_git("push", url, "HEAD:refs/heads/a")
        assert "the disk of the gate is nearly full" in done.stderr
        agent.git("fetch", "-q", url)
    assert "a" not in gate.branch_heads()


def test_a_question_that_is_not_understood_is_answered(
    agent: Repo, gate: GitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(*_: object) -> None:
        raise GateError("the hook said something strange")

    monkeypatch.setattr("terok_sandbox.gate.push_check.parse_description", strange)
    agent.commit("a")
    assert "could not be inspected" in agent.try_git("push", "origin", "HEAD:refs/heads/a").stderr
    assert "a" not in gate.branch_heads()


def test_objects_that_fsck_refuses(agent: Repo, gate: GitGate) -> None:
    tree = agent.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", input="100644 .git\0" + "a" * 20)
    commit = agent.git("commit-tree", "-m", "evil", tree)
    done = agent.try_git("push", "origin", f"{commit}:refs/heads/evil")
    assert done.returncode != 0
    assert "evil" not in gate.branch_heads()


def test_concurrent_clones(upstream: Repo, gate: GitGate, serving: Serving) -> None:
    with serving(gate.path, GateLimits(calls=2)) as url, ThreadPoolExecutor(8) as pool:
        clones = list(pool.map(lambda number: upstream.clone(url, f"c{number}"), range(8)))
    assert {clone.git("rev-parse", "HEAD") for clone in clones} == {upstream.git("rev-parse", "HEAD")}


def test_connections_that_ask_for_nothing_keep_nobody_out(upstream: Repo, gate: GitGate, serving: Serving) -> None:
    """ACC-1: seats are bounded, and the one that has waited longest is given to a newcomer."""
    with serving(gate.path, GateLimits(connections=2)) as url, contextlib.ExitStack() as crowd:
        address = ("127.0.0.1", urlsplit(url).port)
        held = [crowd.enter_context(socket.create_connection(address, timeout=5)) for _ in range(40)]
        assert held[0].recv(10) == b""
        assert upstream.clone(url, "meanwhile").git("rev-parse", "HEAD") == upstream.git("rev-parse", "HEAD")


def test_a_mirror_without_commits(upstream: Repo, tmp_path: Path, serving: Serving) -> None:
    gate = GitGate("empty", base=tmp_path / "gate", upstream=None)
    gate.sync()
    with serving(gate.path) as url:
        clone = upstream.clone(url, "fresh")
        tip = clone.commit("a")
        clone.git("push", "-q", "origin", "HEAD:refs/heads/main")
    assert gate.branch_heads() == {"main": tip}


def test_errors_do_not_name_the_host(url: str, gate: GitGate) -> None:
    question = (url, "GET", "/proj.git/info/refs?service=git-upload-pack", bearer())
    assert ask(*question)[0] == 200, "the server has begun"
    gate.path.rename(gate.path.with_name("gone"))
    status, answer = ask(*question)
    assert status >= 400
    assert not re.search(rb"/(tmp|home|var)/", answer)
