"""The activity feed of a real container: every fact as it happens, and again after what keeps it was killed."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from support import Shell
from terok_sandbox import (
    Activity,
    Budget,
    GateWiring,
    Limits,
    RunSpec,
    Sandbox,
    Wiring,
    mirror_path,
    open_vault,
    provision_session,
)
from terok_sandbox.activity.client import ActivityFeed
from terok_sandbox.config import SandboxConfig
from terok_sandbox.supervise import client

PROVIDER = "it-model"
IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
GIT = "git -c user.name=Agent -c user.email=agent@example.test"
ASK = (
    "curl -sS -m 120 -o /dev/null -w '%{http_code}' -H \"x-api-key: $TOKEN\" -H content-type:application/json"
    ' -d \'{"model":"m","max_tokens":980,"messages":[]}\' http://127.0.0.1:9419/v1/messages'
)


class Model(BaseHTTPRequestHandler):
    """A provider that answers with the next status, when it is let."""

    protocol_version = "HTTP/1.1"
    statuses: ClassVar[list[int]] = []
    reset_at = 0.0
    go = threading.Event()
    busy = 0
    most = 0
    seen = 0
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            Model.seen += 1
            Model.busy += 1
            Model.most = max(Model.most, Model.busy)
            status = self.statuses.pop(0) if self.statuses else 200
        self.go.wait(60)
        with self.lock:
            Model.busy -= 1
        usage = {"input_tokens": 20, "output_tokens": 980}
        said = {"type": "message", "model": "m", "usage": usage}
        body = json.dumps(said if status == 200 else {"error": {"resets_at": self.reset_at}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def model() -> Iterator[str]:
    Model.statuses, Model.busy, Model.most, Model.seen = [], 0, 0, 0
    Model.go.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Model.go.set()
    server.shutdown()
    server.server_close()


Launch = Callable[..., Sandbox]


@pytest.fixture
def launch(ready: Shell, base_image: str, container: str, model: str, repository: Path) -> Launch:
    """Start the container with a token for the model, a gate, and a budget."""

    def start(budget: Budget | None = None) -> Sandbox:
        config = SandboxConfig()
        provision_session(config)
        with open_vault(config) as database:
            database.store_credential("default", PROVIDER, {"type": "api_key", "key": secrets.token_urlsafe(24)})
            token = database.create_token(container, PROVIDER, "default")
        routes = json.loads(config.routes_path.read_text())
        routes[PROVIDER] = {"upstream": model, "header": "x-api-key"}
        config.routes_path.write_text(json.dumps(routes))
        scope = ready("terok-sandbox", "gate", "add", str(repository)).out.strip()
        sandbox = Sandbox(config)
        secret = sandbox.mint_gate_token()
        gate = GateWiring.for_token(mirror_path(config.gate_base_path, scope), scope, secret)
        env = {"TOKEN": token, "REMOTE": sandbox.gate_url(scope, secret)}
        wiring = Wiring(scope=scope, gate=gate, budget=budget)
        command = ("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
        sandbox.run(
            RunSpec(container_name=container, image=IMAGE, command=command, env=env, workdir="/tmp", wiring=wiring)
        )
        return sandbox

    return start


def inside(name: str, script: str) -> subprocess.Popen[str]:
    words = ["podman", "exec", "-u", "dev", name, "bash", "-c", script]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


async def until(feed: ActivityFeed, holds: Callable[[Activity], object], seconds: float = 60) -> Activity:
    """Follow until something holds."""
    try:
        async with asyncio.timeout(seconds):
            async for now in feed:
                if holds(now):
                    return now
    except TimeoutError:
        pass
    raise AssertionError(f"it never held:\n{chr(10).join(map(str, feed.now.facts))}")


async def said(process: subprocess.Popen[str]) -> str:
    return (await asyncio.to_thread(process.communicate, timeout=120))[0]


def run(story: Awaitable[None]) -> None:
    asyncio.run(story)  # type: ignore[arg-type]


def test_everything_is_told_as_it_happens(launch: Launch, container: str, ready: Shell) -> None:
    sandbox = launch()

    async def story() -> None:
        async with sandbox.activity(container) as feed:
            now = feed.now
            assert now.life is not None and now.life.state == "running" and time.time() - now.life.at < 600
            assert not now.unheard and set(now.workers) == {"broker", "gateway"}
            assert not now.calls and not now.questions and not now.pushes

            Model.go.clear()
            asking = inside(container, ASK)
            now = await until(feed, lambda now: now.calls)
            assert now.calls[0].provider == PROVIDER and now.calls[0].state == "begun"
            Model.go.set()
            assert await said(asking) == "200"
            now = await until(feed, lambda now: not now.calls and now.usage and now.usage.tokens)
            assert now.last_call is not None and (now.last_call.status, now.last_call.outcome) == (200, "complete")
            assert now.providers[PROVIDER].state == "works"
            assert now.usage is not None and (now.usage.tokens, now.usage.cost_known) == (1000, False)

            Model.statuses, Model.reset_at = [429], round(time.time()) + 600.0
            assert await said(inside(container, ASK)) == "429"
            now = await until(feed, lambda now: now.providers[PROVIDER].state == "limit")
            assert now.providers[PROVIDER].reset_at == Model.reset_at
            Model.statuses = [401]
            assert await said(inside(container, ASK)) == "401"
            await until(feed, lambda now: now.providers[PROVIDER].state == "auth")

            asking = inside(container, "curl -sS -m 20 https://not.allowed.example/")
            now = await until(feed, lambda now: now.questions)
            question = now.questions[0]
            assert question.target.startswith("not.allowed.example")
            await said(asking)
            from terok_sandbox.clearance.model import Verdict
            from terok_sandbox.clearance.waiting import decide_request

            path = sandbox.config.gateway_socket(container)
            await asyncio.to_thread(decide_request, path, question.id, question.target, Verdict("deny", "task"))
            now = await until(feed, lambda now: not now.questions)
            assert any(fact.kind == "question" and fact.state == "deny" for fact in now.facts)

            push = f"git clone -q $REMOTE w; cd w; date > new; git add .; {GIT} commit -qm x; git rev-parse HEAD;"
            commit = (await said(inside(container, f"{push} git push -q origin HEAD:refs/heads/work 2>&1"))).split()[0]
            now = await until(feed, lambda now: any(one.state == "landed" for one in now.pushes))
            assert [(one.ref, one.commit) for one in now.pushes] == [("refs/heads/work", commit)]
            bad = "cd w; ln -s ../../../etc/passwd link; git add link;"
            told = await said(inside(container, f"{bad} {GIT} commit -qm bad; git push -q origin HEAD:refs/heads/bad"))
            assert "symlink" in told
            now = await until(feed, lambda now: any(one.state == "refused" for one in now.pushes))
            refused = next(one for one in now.pushes if one.state == "refused")
            assert refused.ref == "refs/heads/bad" and refused.findings == 1 and "symlink" in refused.reason

            Model.go.clear()
            asking = inside(container, ASK)
            await until(feed, lambda now: now.calls)
            for worker in ("broker", "gateway"):
                pid = client.status(sandbox.config, container)["workers"][worker]["pid"]
                os.kill(pid, signal.SIGKILL)
                restarted = await until(
                    feed, lambda now, name=worker: now.workers[name].restarts == 1 and not now.unheard
                )
                assert restarted.workers[worker].state == "up"
            Model.go.set()
            assert "000" in await said(asking), "nothing was answered"
            now = feed.now
            assert not now.calls, "what was under way has ended with its broker"
            assert [(one.ref, one.commit) for one in now.pushes] == [("refs/heads/work", commit)], "from the mirror"
            assert now.usage is not None and now.usage.tokens >= 1000, "from the journal"
            assert await said(inside(container, ASK)) == "200"
            await until(feed, lambda now: now.providers.get(PROVIDER) and now.providers[PROVIDER].state == "works")
            assert sandbox.activity(container).read().providers == feed.now.providers

            os.kill(client.status(sandbox.config, container)["pid"], signal.SIGKILL)
            await until(feed, lambda now: now.unheard)
            now = await until(feed, lambda now: not now.unheard)
            assert now.life is not None and now.life.state in ("running", "unsupervised"), "never taken for its end"
            assert await said(inside(container, ASK)) == "200"
            await until(feed, lambda now: now.life and now.life.state == "running" and now.last_call)

            await asyncio.to_thread(ready, "podman", "stop", "-t", "5", container)
            now = await until(feed, lambda now: now.life and now.life.state == "ended")
            assert now.life is not None and now.life.exit_code == 7
            assert [one async for one in feed][1:] == [], "nothing comes after the end"

    run(story())


def test_a_budget_holds_calls_until_a_person_decides(launch: Launch, container: str) -> None:
    """Fifty calls at once: at most the one in flight exceeds the limit; what waits survives no broker, but is asked."""
    sandbox = launch(Budget(task=Limits(tokens=2500), on_limit="hold"))
    many = f"for i in $(seq 50); do {ASK} & done; wait"

    async def story() -> None:
        async with sandbox.activity(container) as feed:
            asking = inside(container, many)
            now = await until(feed, lambda now: now.held == 50 - Model.seen and Model.busy == 0 and now.held)
            assert Model.seen <= 3 and now.usage is not None and now.usage.tokens == Model.seen * 1000
            assert [(one.whose, one.limit, one.state) for one in now.budgets] == [("task", "tokens", "holds")]
            first = Model.seen
            sandbox.decide_budget(container, "raise", limit="tokens", most=first * 1000 + 2500)
            now = await until(feed, lambda now: now.held == 50 - Model.seen and Model.seen > first and Model.busy == 0)
            assert first < Model.seen <= first + 3
            sandbox.decide_budget(container, "finish")
            assert (await said(asking)) == "200" * 50
            assert Model.seen == 50
            now = await until(feed, lambda now: not now.held)

            pid = client.status(sandbox.config, container)["workers"]["broker"]["pid"]
            os.kill(pid, signal.SIGKILL)
            now = await until(feed, lambda now: now.workers["broker"].restarts == 1 and not now.unheard)
            assert now.usage is not None and now.usage.tokens == 50_000
            sandbox.decide_budget(container, "stop")
            assert await said(inside(container, ASK)) == "429"
            sandbox.decide_budget(container, "raise", limit="tokens", most=100_000)
            assert await said(inside(container, ASK)) == "200"
            now = await until(feed, lambda now: not now.budgets)

    run(story())
