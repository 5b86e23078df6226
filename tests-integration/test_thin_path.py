"""An agent changes a repository in a container: its commit arrives in the gate, and no real key is ever inside."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import BASE, Done, Shell
from terok.stub import Pause, Script, running_stub

COMMIT = (
    "echo 'A line by the agent.' >> README.md && git add -A && git commit -q -m 'Add a line' && git push -q origin HEAD"
)


def run_agent(sh: Shell, agent: str, repository: Path, name: str, **kwargs: object) -> Done:
    return sh(
        *("terok-executor", "run", agent, str(repository), "-p", "Add a line to the README", "--base", BASE),
        *("--name", name, "--json"),
        timeout=600,
        **kwargs,  # type: ignore[arg-type]
    )


def mirror_of(result: dict) -> Path:
    return Path(result["gate"])


@pytest.fixture(params=["demo", "claude"])
def agent(request: pytest.FixtureRequest, base_image: str) -> str:
    """Both the scripted agent and the real Claude Code CLI."""
    return str(request.param)


def test_commit_arrives_and_key_stays_out(
    ready: Shell,
    agent: str,
    repository: Path,
    container: str,
    real_key: str,
    upstream: Callable[[str, str], None],
) -> None:
    pause = Pause()
    with running_stub(Script((COMMIT,)), api_key=real_key, pause=pause) as stub, ThreadPoolExecutor(1) as pool:
        upstream("demo" if agent == "demo" else "anthropic", stub.url)
        running = pool.submit(run_agent, ready, agent, repository, container)
        try:
            assert pause.reached(400) or running.result(), "the agent never got to its last turn"
            places = inside_of(ready, container)
        finally:
            pause.resume()
        result = running.result(timeout=120).json()

    assert result["exit_code"] == 0
    for place, content in places.items():
        assert len(content) > 100, f"{place}: nothing was searched"
        assert real_key.encode() not in content, f"the real key is in {place}"
    assert stub.seen.authenticated() > 0
    assert {record.presented for record in stub.seen.records if record.path.endswith("/messages")} == {"expected"}
    log = ready("git", "-C", str(mirror_of(result)), "log", "--all", "--format=%s", "-p").out
    assert "Add a line" in log
    assert "+A line by the agent." in log
    original = ready("git", "-C", str(repository), "log", "--all", "--format=%s").out.split("\n")
    assert "Add a line" not in original, "the agent's commit is in the user's own repository"


def inside_of(sh: Shell, container: str) -> dict[str, bytes]:
    """Read what a running container could show of a secret: environments, command lines and the whole file system."""

    def read(*argv: str) -> bytes:
        return subprocess.run(argv, capture_output=True, env=sh.environment, timeout=300, check=True).stdout

    processes = ("podman", "exec", "--user", "0", container, "sh", "-c")
    return {
        "environment": read("podman", "exec", container, "env"),
        "process environments": read(*processes, "cat /proc/[0-9]*/environ 2>/dev/null; true"),
        "command lines": read(*processes, "cat /proc/[0-9]*/cmdline; true"),
        "files": read("podman", "export", container),
        "mounts": read(*processes, "find /run/terok /home/dev/.terok -type f -exec cat {} +; ls -laR /run/terok"),
        "podman's own record": read("podman", "inspect", container),
    }


def test_worker_deaths_only_delay_the_agent(
    ready: Shell,
    base_image: str,
    repository: Path,
    container: str,
    real_key: str,
    upstream: Callable[[str, str], None],
) -> None:
    steps = tuple(f"sleep 1; echo step {number}" for number in range(6))
    with running_stub(Script((*steps, COMMIT)), api_key=real_key) as stub, ThreadPoolExecutor(1) as pool:
        upstream("demo", stub.url)
        running = pool.submit(run_agent, ready, "demo", repository, container)
        killed = kill_workers_when(ready, container, lambda: stub.seen.outputs)
        result = running.result(timeout=300).json()
    assert killed == {"broker", "gateway"}
    assert result["exit_code"] == 0
    assert [stub.seen.outputs[n].strip() for n in range(6)] == [f"step {n}" for n in range(6)]
    assert "Add a line" in ready("git", "-C", str(mirror_of(result)), "log", "--all", "--format=%s").out


def kill_workers_when(sh: Shell, container: str, outputs: Callable[[], dict[int, str]]) -> set[str]:
    """SIGKILL the broker after the second and the gateway after the third step of the agent."""
    killed = set()
    for step, worker in ((1, "broker"), (2, "gateway")):
        for _ in range(600):
            if step in outputs():
                break
            threading.Event().wait(0.2)
        else:
            pytest.fail(f"the agent never finished step {step}")
        status = sh("terok-sandbox", "supervisor", "status", container, "--json").json()
        subprocess.run(["kill", "-KILL", str(status["workers"][worker]["pid"])], check=True)
        killed.add(worker)
    return killed


def test_audit_tells_what_was_used_and_refused(
    ready: Shell,
    base_image: str,
    repository: Path,
    container: str,
    real_key: str,
    upstream: Callable[[str, str], None],
) -> None:
    commands = (
        "getent hosts refused.example.test; echo name=$?",
        "curl -sS -m 5 http://10.254.0.1:8080/; echo address=$?",
    )
    with running_stub(Script(commands), api_key=real_key) as stub:
        upstream("demo", stub.url)
        result = run_agent(ready, "demo", repository, container).json()
    assert "name=2" in stub.seen.outputs[0]
    assert "address=7" in stub.seen.outputs[1], "refused at once, not timed out"
    state = Path(ready.environment["TEROK_ROOT"]) / "state/sandbox/containers" / container
    shield = [json.loads(line) for line in (state / "gateway/shield-audit.jsonl").read_text().splitlines()]
    assert any(row["action"] == "refused" and row.get("name") == "refused.example.test" for row in shield)
    assert any(
        row["action"] == "blocked" and row.get("dest") == "10.254.0.1" and row.get("port") == 8080 for row in shield
    )
    vault = [json.loads(line) for line in (state / "vault-audit.jsonl").read_text().splitlines()]
    assert {row["action"] for row in vault} >= {"request", "response"}
    assert all(row["provider"] == "demo" for row in vault if row["action"] == "request")
    assert real_key not in json.dumps(vault)
    assert result["blocked"], "the result of the run lists what was blocked"
