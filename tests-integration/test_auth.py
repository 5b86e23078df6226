"""Signing in: a vendor's own program in its container, what of it a task finds, and one refresh for all."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import auth_stub
import pytest
from auth_stub import EXPIRED, FRESH, PORT, REFRESH_TOKEN, TokenEndpoint, token_endpoint
from support import BASE, Shell
from terok.stub import Script, running_stub
from terok_executor import Authenticator, LoginError
from terok_executor.paths import task_dir
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.routes import write_routes
from terok_sandbox import RunSpec, Sandbox
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.unlock import open_vault

COMMIT = "printf 'A line by the agent.\n' >> README.md && git add -A && git commit -q -m 'Add a line' && id -un"
IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
ASK = (
    "curl -sS -m 200 -H 'x-api-key: '$TOKEN -H 'content-type: application/json' -w '\\n%{http_code}'"
    ' -d \'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}\''
    " http://127.0.0.1:9419/v1/messages"
)


@pytest.fixture
def roster(ready: Shell) -> Iterator[Path]:
    """Give the user's roster directory; what a test puts there is removed afterwards."""
    config = Path(ready.environment["TEROK_ROOT"]) / "config"
    names = ("agents/claude.yaml", "agents/codex.yaml", "providers/openai.yaml", "providers/demo.yaml")
    for name in names:
        (config / name).parent.mkdir(parents=True, exist_ok=True)
    yield config
    for name in names:
        (config / name).unlink(missing_ok=True)


@pytest.fixture
def tokens() -> Iterator[TokenEndpoint]:
    """Serve a token endpoint on the loopback."""
    with token_endpoint() as endpoint:
        yield endpoint


def test_codex_signs_in_and_a_task_works_with_it(
    ready: Shell, repository: Path, container: str, roster: Path, tokens: TokenEndpoint
) -> None:
    service = base64.b64encode(Path(auth_stub.__file__).read_bytes()).decode()
    script = (
        f"echo {service} | base64 -d > /tmp/s.py; mkfifo /tmp/end; python3 /tmp/s.py < /tmp/end & exec 3> /tmp/end;"
        f"until (: < /dev/tcp/127.0.0.1/{PORT}) 2> /dev/null; do sleep 0.1; done;"
        f"codex login --device-auth --experimental_issuer http://127.0.0.1:{PORT}"
    )
    command = json.dumps(["bash", "-c", script])
    (roster / "agents/codex.yaml").write_text(
        f"login:\n  methods: {{device: {command}}}\n  urls: [http://127.0.0.1:{PORT}/]\n"
    )
    done = ready("terok-executor", "auth", "codex", "--device-auth", "--base", BASE, timeout=900)
    assert f"http://127.0.0.1:{PORT}/codex/device" in done.out
    assert "ABCD-12345" in done.out
    assert "stored the sign-in of OpenAI" in done.out
    assert EXPIRED not in done.text
    rows = {row["provider"]: row for row in ready("terok-executor", "auth", "list", "--json").json()}
    assert (rows["openai"]["type"], rows["openai"]["state"]) == ("oauth", "refreshes")
    assert (rows["openai"]["account"], rows["openai"]["expires_at"][:4]) == ("ann@example.test", "2001")
    left = ready("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", "name=^terok-login-").out
    assert left == ""
    assert not [*task_dir(container).parent.glob("terok-login-*/*")]

    with running_stub(Script((COMMIT,)), api_key=FRESH) as stub:
        (roster / "providers/openai.yaml").write_text(
            f"upstream: {stub.url}\npath_upstreams: {{/backend-api: '{stub.url}'}}\n"
            f"oauth_refresh: {{token_url: '{tokens.url}', client_id: it}}\n"
        )
        result = ready(
            *("terok-executor", "run", "codex", str(repository), "-p", "Add a line", "--base", BASE, "--json"),
            *("--name", container, "--model", "stub-model", "--timeout", "300"),
            timeout=600,
        ).json()
        assert [commit["subject"] for commit in result["commits"]] == ["Add a line"], result
        assert {record.presented for record in stub.seen.records} == {"expected"}
        assert "/backend-api/codex/responses" in {record.path for record in stub.seen.records}
    assert tokens.refreshes == 1
    state = task_dir(container) / "state/codex"
    assert "ann@" not in (state / "auth.json").read_text(), "the claims are in a token"
    assert json.loads((state / "auth.json").read_text())["tokens"]["account_id"] == "acc-1"

    clean = ready("terok-executor", "vault", "clean", "--containers", "--json", timeout=300)
    assert clean.json() == []
    (state / "history.txt").write_text(f"...{tokens.refresh_token}...")
    ready("podman", "cp", str(state / "history.txt"), f"{container}:/workspace/notes")
    found = ready("terok-executor", "vault", "clean", "--containers", "--remove", "--json", code=1).json()
    assert [(leak["container"], leak["field"], leak["removed"]) for leak in found] == [
        ("", "refresh_token", True), (container, "refresh_token", False),
    ]  # fmt: skip
    assert not (state / "history.txt").exists()
    ready("terok-executor", "auth", "remove", "openai")


@pytest.mark.parametrize(
    ("agent", "page", "answer"),
    [
        ("claude", "https://claude.com/cai/oauth/authorize?code=true&client_id=9d1c250a-", "code#{state}"),
        (
            "codex",
            "https://auth.openai.com/oauth/authorize?",
            "http://localhost:1455/auth/callback?code=1&state={state}",
        ),
    ],
    ids=["claude", "codex"],
)
def test_a_sign_in_in_the_browser_runs_up_to_its_vendor(
    agent: str, page: str, answer: str, ready: Shell, roster: Path
) -> None:
    # The server cannot be another one, so nothing is allowed: what follows the answer is a name that is refused.
    (roster / f"agents/{agent}.yaml").write_text("login:\n  allow: []\n")
    session = Authenticator(agent, base_image=BASE, credential_set="nobody").session("oauth", label="it", timeout=300)
    seen, state = [], ""
    for event in session.events():
        seen.append(event)
        if event.kind == "url":
            assert event.text.startswith(page)
            state = parse_qs(urlsplit(event.text).query)["state"][0]
        if event.kind == "input":
            if agent == "codex":
                with pytest.raises(LoginError):
                    session.answer(answer.format(state="wrong"))
            session.answer(answer.format(state=state))
    assert [event.kind for event in seen if event.kind != "waiting"] == ["url", "input", "failed"]
    assert "status 1" in seen[-1].text
    assert ready("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", "name=^terok-login-").out == ""


def test_two_containers_share_one_refresh_and_a_refusal_names_the_command(
    ready: Shell, base_image: str, roster: Path, tokens: TokenEndpoint
) -> None:
    config = SandboxConfig()
    names = [f"it-{secrets.token_hex(4)}" for _ in range(2)]

    def ask(name: str) -> tuple[int, str]:
        body, _, status = ready("podman", "exec", name, "sh", "-ec", ASK, timeout=240).out.rpartition("\n")
        return int(status), body

    def expire(refresh_token: str) -> None:
        with open_vault(config) as vault:
            vault.store_credential(
                "team", "demo",
                {"type": "oauth", "access_token": EXPIRED, "refresh_token": refresh_token, "expires_at": 1_000_000_000},
            )  # fmt: skip

    with running_stub(Script(()), api_key=FRESH) as stub, ThreadPoolExecutor(2) as both:
        (roster / "providers/demo.yaml").write_text(
            f"upstream: {stub.url}\nauth: {{oauth: {{header: x-api-key}}}}\n"
            f"oauth_refresh: {{token_url: '{tokens.url}', client_id: it}}\n"
        )
        write_routes(config.routes_path, AgentRoster.load().providers)
        expire(REFRESH_TOKEN)
        sandbox = Sandbox(config)
        try:
            for name in names:
                with open_vault(config) as vault:
                    token = vault.create_token(name, "demo", "team")
                sandbox.run(
                    RunSpec(
                        container_name=name,
                        image=IMAGE,
                        command=("sleep", "600"),
                        env={"TOKEN": token},
                        workdir="/tmp",
                    )
                )
            assert [status for status, _ in both.map(ask, names * 3)] == [200] * 6
            assert tokens.refreshes == 1
            with open_vault(config) as vault:
                stored = vault.load_credential("team", "demo") or {}
            assert (stored["access_token"], stored["refresh_token"]) == (FRESH, tokens.refresh_token)

            tokens.refuses = True
            expire("rt-of-long-ago-0123456789")
            for status, body in both.map(ask, names):
                assert status == 401, body
                assert "demo refuses to refresh the sign-in (status 400: invalid_grant)" in body
                assert "terok-executor auth demo" in body
            assert tokens.refreshes == 1
        finally:
            ready("terok-sandbox", "rm", *names, code=None)
            with open_vault(config) as vault:
                vault.delete_credential("team", "demo")
