"""Clearance in a real container: the waiting connection succeeds after an allow and fails fast after a denial."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from name_server import ADDRESS, every_name_known
from support import Shell, needs, tool

IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
HELD = 6.0
"""Seconds; what waits for a person waits longer."""
CURL = ("curl", "-sS", "-m", "60", "-w", "%{time_total}")


@pytest.fixture(scope="module")
def lab_names(ready: Shell) -> Iterator[list[str]]:
    """Let containers know every name; yield what is asked."""
    needs("lab", "TEROK_LAB" in os.environ)
    with every_name_known(ready) as asked:
        yield asked


@pytest.fixture
def running(ready: Shell, base_image: str, lab_names: list[str], container: str) -> str:
    """Give a supervised container that sleeps and has curl."""
    del base_image, lab_names
    ready("terok-sandbox", "run", "-d", "--name", container, IMAGE, "--", "sleep", "600")
    return container


@pytest.fixture(scope="module")
def shared(ready: Shell, base_image: str, lab_names: list[str]) -> Iterator[str]:
    """Give one such container to the tests that ask for a domain of their own."""
    del base_image, lab_names
    name = f"it-{secrets.token_hex(4)}"
    ready("terok-sandbox", "run", "-d", "--name", name, IMAGE, "--", "sleep", "600")
    yield name
    ready("terok-sandbox", "rm", name)


class Watching:
    """`terok-sandbox clearance` in a terminal, or with --json."""

    def __init__(self, ready: Shell, *words: str) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["terok-sandbox", "clearance", *words],
            env=ready.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def until(self, wanted: Callable[[str], bool], seconds: float = 60) -> str:
        """Return the first line that is wanted."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := next((line for line in list(self.lines) if wanted(line)), None):
                return found
            time.sleep(0.01)
        raise AssertionError(f"not seen within {seconds} s:\n" + "\n".join(self.lines))

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._thread.join(5)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def watch(ready: Shell) -> Iterator[Callable[..., Watching]]:
    """Start front ends; they are stopped afterwards."""
    started: list[Watching] = []

    def start(*words: str) -> Watching:
        started.append(Watching(ready, *words))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def curl(ready: Shell, container: str, url: str) -> subprocess.Popen[str]:
    """Start curl inside, without retries."""
    return subprocess.Popen(
        ["podman", "exec", container, *CURL, url],
        env=ready.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def fails(ready: Shell, container: str, url: str) -> tuple[int, float]:
    """Run curl inside to its end; return its exit code and the seconds it took."""
    began = time.monotonic()
    done = ready("podman", "exec", container, *CURL, url, code=None, timeout=90)
    return done.code, time.monotonic() - began


def waiting(ready: Shell, container: str, target: str = "") -> list[dict]:
    found = ready("terok-sandbox", "clearance", "list", "--json", "--container", container).json()
    return [one for one in found if target in ("", one["target"])]


def test_allow_in_the_terminal_lets_the_waiting_curl_succeed(
    ready: Shell, shared: str, watch: Callable[..., Watching], lab_names: list[str]
) -> None:
    terminal = watch("--container", shared)
    terminal.until(lambda line: line.startswith(f"{shared}:"))
    client = curl(ready, shared, "http://api.alpha.example/")
    line = terminal.until(lambda line: f"{shared} wants alpha.example" in line)
    terminal.until(lambda line: "calls itself 'curl'" in line)
    assert lab_names.count("api.alpha.example") == 0, "nothing is asked upstream before there is a verdict"
    terminal.type(f"a {line[1 : line.index(']')]} task the task needs it")
    out, _ = client.communicate(timeout=90)
    assert client.returncode == 0, out
    assert "laboratory" in out
    terminal.until(lambda line: "allowed for this task" in line)
    again = ready("podman", "exec", shared, *CURL, "http://api.alpha.example/")
    assert "laboratory" in again.out
    terminal.stop()  # with nobody there the next name is refused at once
    assert fails(ready, shared, "http://other.alpha.example/")[0] == 6, "one name was allowed, not its neighbor"


@pytest.mark.attack("UI-1")
def test_denial_is_fast_and_its_reason_reaches_the_agent(
    ready: Shell, shared: str, watch: Callable[..., Watching]
) -> None:
    terminal = watch()
    terminal.until(lambda line: line.startswith(f"{shared}:"))
    client = curl(ready, shared, "http://paste.beta.example/")
    line = terminal.until(lambda line: f"{shared} wants beta.example" in line)
    denied = time.monotonic()
    terminal.type(f"d {line[1 : line.index(']')]} task \x1b[31muse the mirror instead")
    client.communicate(timeout=90)
    assert client.returncode == 6
    assert time.monotonic() - denied < HELD, "the wait ends with the denial"
    rows = ready("podman", "exec", shared, "cat", "/run/terok/clearance/answers.jsonl").out.splitlines()
    answer = [one for one in map(json.loads, rows) if one["target"] == "paste.beta.example"][-1]
    assert answer["answer"] == "deny"
    assert answer["reason"].endswith("use the mirror instead")
    assert "\x1b" not in answer["reason"]
    code, seconds = fails(ready, shared, "http://paste.beta.example/")
    assert code == 6
    assert seconds < HELD, "what is denied is not held again"


def test_nobody_there_means_denied_at_once_and_the_request_waits(ready: Shell, shared: str) -> None:
    code, seconds = fails(ready, shared, "http://files.gamma.example/")
    assert code == 6
    assert seconds < HELD, "no front end is there: no name is held"
    requests = waiting(ready, shared, "files.gamma.example")
    assert [one["domain"] for one in requests] == ["gamma.example"]
    done = ready("terok-sandbox", "clearance", "allow", requests[0]["id"], "--minutes", "1", "--reason", "fine")
    assert "allowed for 1 minutes" in done.out
    assert "laboratory" in ready("podman", "exec", shared, *CURL, "http://files.gamma.example/").out
    assert waiting(ready, shared, "files.gamma.example") == []
    again = ready("terok-sandbox", "clearance", "allow", requests[0]["id"], code=1)
    assert "waits" in again.err


def test_blocked_address_is_asked_for_and_opened(ready: Shell, running: str, watch: Callable[..., Watching]) -> None:
    events = watch("--json", "--container", running)
    events.until(lambda line: '"replayed"' in line)
    assert fails(ready, running, f"http://{ADDRESS}/")[0] == 7
    row = json.loads(events.until(lambda line: f'"{ADDRESS}:80/tcp"' in line))
    assert row["type"] == "request"
    ready("terok-sandbox", "clearance", "allow", row["request"]["id"], "--once")
    assert "laboratory" in ready("podman", "exec", running, *CURL, f"http://{ADDRESS}/").out
    json.loads(events.until(lambda line: '"resolved"' in line))


def test_requests_survive_the_gateway(ready: Shell, shared: str) -> None:
    assert fails(ready, shared, "http://keep.delta.example/")[0] == 6
    before = waiting(ready, shared, "keep.delta.example")
    status = ready("terok-sandbox", "supervisor", "status", shared, "--json").json()
    os.kill(status["workers"]["gateway"]["pid"], 9)
    until(lambda: [one["id"] for one in waiting(ready, shared, "keep.delta.example")] == [before[0]["id"]])
    ready("terok-sandbox", "clearance", "deny", before[0]["id"])
    assert waiting(ready, shared, "keep.delta.example") == []


@pytest.mark.attack("UI-2")
def test_floods_and_look_alikes_are_contained(ready: Shell, running: str) -> None:
    script = "for i in $(seq 1 200); do getent ahostsv4 x$i.example.com; done; getent ahostsv4 xn--pple-43d.com"
    ready("podman", "exec", running, "sh", "-c", script, code=None, timeout=300)
    requests = waiting(ready, running)
    assert 1 <= len(requests) <= 32
    shown = ready("terok-sandbox", "clearance", "list", "--container", running).out
    assert "\x1b" not in shown


BUS = """\
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""
"""A session bus that starts no services by itself."""


@pytest.fixture
def desktop(ready: Shell, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run a session bus, an X server and dunst, whose menu always chooses "Allow once"; yield their environment."""
    for name in ("dbus-daemon", "Xvfb", "dunst", "dunstctl"):
        tool(name)
    menu = tmp_path / "menu"
    menu.write_text(f"#!/bin/sh\ntee {tmp_path}/offered | grep -m1 'Allow once'\n")
    menu.chmod(0o755)
    (tmp_path / "dunstrc").write_text(f"[global]\ndmenu = {menu}\nmarkup = full\nmonitor = 0\n")
    environment = ready.environment | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/bus"}
    processes: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, pass_fds: tuple[int, ...] = ()) -> None:
        with (tmp_path / f"{argv[0]}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds
                )
            )

    try:
        (tmp_path / "bus.conf").write_text(BUS.format(path=tmp_path / "bus"))
        start("dbus-daemon", f"--config-file={tmp_path}/bus.conf", "--nofork", "--nopidfile")
        reader, writer = os.pipe()
        start("Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24", "-nolisten", "tcp", pass_fds=(writer,))
        os.close(writer)
        with open(reader) as displays:
            environment["DISPLAY"] = f":{displays.readline().strip()}"
        until((tmp_path / "bus").exists)
        start("dunst", "-conf", str(tmp_path / "dunstrc"))
        until(lambda: ready("dunstctl", "is-paused", env=environment, code=None).code == 0)
        yield environment | {"OFFERED": str(tmp_path / "offered")}
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def until(ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.05)


@pytest.mark.attack("UI-3")
def test_allow_in_the_desktop_notification_lets_the_waiting_curl_succeed(
    ready: Shell, running: str, desktop: dict[str, str], tmp_path: Path
) -> None:
    def displayed() -> int:
        return int(ready("dunstctl", "count", "displayed", env=desktop).out)

    for other in ready("terok-sandbox", "clearance", "list", "--json").json():
        ready("terok-sandbox", "clearance", "deny", other["id"])
    assert fails(ready, running, "http://first.epsilon.example/")[0] == 6
    log = (tmp_path / "notifier.log").open("wb")
    with log, subprocess.Popen(["terok-sandbox", "clearance", "notify"], env=desktop, stderr=log) as notifier:
        try:
            until(lambda: displayed() == 1)  # it follows the container: what has waited is shown
            ready("dunstctl", "close-all", env=desktop)
            until(lambda: displayed() == 0)
            client = curl(ready, running, "http://desk.epsilon.example/")
            until(lambda: displayed() == 1)
            time.sleep(0.8)  # an earlier click is taken for one that was meant for something else
            ready("dunstctl", "context", env=desktop)
            out, _ = client.communicate(timeout=90)
            assert client.returncode == 0, out
            assert "laboratory" in out
            assert "Deny" in Path(desktop["OFFERED"]).read_text()
            until(lambda: displayed() == 0)
            assert [one["target"] for one in waiting(ready, running)] == ["first.epsilon.example"], "put away is no yes"
        except BaseException:
            for words in (["dunstctl", "count"], ["dunstctl", "history"], ["terok-sandbox", "clearance", "list"]):
                print(*words, ready(*words, env=desktop, code=None).text, sep="\n")
            for path in (tmp_path / "notifier.log", tmp_path / "dunst.log", tmp_path / "offered"):
                print(path.name, path.read_text() if path.exists() else "(none)", sep="\n")
            raise
        finally:
            notifier.terminate()
    assert notifier.returncode == 0


def test_allow_lets_the_waiting_curl_of_an_airlock_succeed(
    ready: Shell, base_image: str, lab_names: list[str], container: str, watch: Callable[..., Watching]
) -> None:
    del base_image
    ready("terok-sandbox", "run", "-d", "--airlock", "--name", container, IMAGE, "--", "sleep", "600")
    terminal = watch("--container", container)
    terminal.until(lambda line: line.startswith(f"{container}:"))
    client = curl(ready, container, "http://lock.example.com/")
    line = terminal.until(lambda line: f"{container} wants example.com" in line)
    terminal.until(lambda line: "calls itself 'curl'" in line)
    assert "lock.example.com" not in lab_names
    terminal.type(f"a {line[1 : line.index(']')]} once")
    out, _ = client.communicate(timeout=90)
    assert client.returncode == 0, out
    assert "laboratory" in out


DIAL = (
    "use Time::HiRes 'time'; use IO::Socket::INET; print time; IO::Socket::INET->new(PeerAddr => shift, Timeout => 2)"
)


def test_a_blocked_connection_is_seen_and_a_verdict_in_force_soon(ready: Shell, running: str) -> None:
    from terok_sandbox.clearance.client import ClearanceClient
    from terok_sandbox.clearance.model import Verdict
    from terok_sandbox.config import SandboxConfig

    async def measure() -> tuple[list[float], list[float]]:
        seen, forced = [], []
        hub = SandboxConfig().gateway_socket(running)
        await asyncio.to_thread(until, hub.exists)  # the gateway starts when needed, or a moment after the container
        async with ClearanceClient(hub) as client:
            await client.waiting()
            for port in range(4001, 4011):
                dial = ["podman", "exec", running, "perl", "-e", DIAL, f"{ADDRESS}:{port}"]
                process = await asyncio.create_subprocess_exec(*dial, stdout=subprocess.PIPE, env=ready.environment)
                while (event := await asyncio.wait_for(client.next_event(), 60)).kind != "request":
                    pass
                at = time.time()
                out, _ = await process.communicate()
                assert event.request is not None
                seen.append(at - float(out))
                began = time.monotonic()
                await client.decide(event.request.id, str(event.request.target), Verdict("allow"))
                forced.append(time.monotonic() - began)
        return sorted(seen), sorted(forced)

    seen, forced = asyncio.run(measure())
    print(f"block to event: median {seen[5] * 1000:.1f} ms; verdict to effect: median {forced[5] * 1000:.1f} ms")
    assert len(seen) == len(forced) == 10
    assert max(seen[5], forced[5]) < 2, "the budgets of 50 and 20 ms are for the benchmark, with nothing else to do"
