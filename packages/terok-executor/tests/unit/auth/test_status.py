"""Expiry as a person reads it, what routes say of refreshing, and the verbs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from terok_executor.auth.status import judge
from terok_executor.cli import main
from terok_executor.integrations.sandbox import SandboxConfig, open_vault
from terok_executor.roster.egress import deny_lines
from terok_executor.roster.loader import load_providers
from terok_executor.roster.routes import routes_text

NOW = 1_900_000_000.0
PROVIDERS = load_providers(Path("/nonexistent"))


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    (tmp_path / "root" / "run").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(*args: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = main(list(args))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.mark.parametrize(
    ("credential", "provider", "state", "expires"),
    [
        ({"type": "api_key", "key": "k"}, "mistral", "valid", None),
        (
            {"type": "oauth", "expires_at": NOW - 1, "refresh_token": "r"},
            "anthropic",
            "refreshes",
            "2030-03-17T17:46:39+00:00",
        ),
        ({"type": "oauth", "expires_at": NOW - 1}, "anthropic", "expired", "2030-03-17T17:46:39+00:00"),
        (
            {"type": "oauth", "expires_at": NOW - 1, "refresh_token": "r"},
            "mistral",
            "expired",
            "2030-03-17T17:46:39+00:00",
        ),
        ({"type": "oauth", "expires_at": (NOW + 60) * 1000}, "anthropic", "valid", "2030-03-17T17:47:40+00:00"),
        ({"type": "api_key"}, "demo", "unroutable", None),
        ({"type": "api_key"}, "gone", "unroutable", None),
    ],
)
def test_a_credential_is_judged(credential: dict[str, object], provider: str, state: str, expires: str | None) -> None:
    row = judge("default", provider, credential, PROVIDERS.get(provider), stored_at=None, now=NOW)
    assert (row.state, row.expires_at) == (state, expires)


def test_routes_say_how_to_refresh_and_the_token_endpoint_is_closed_to_containers() -> None:
    routes = json.loads(routes_text(PROVIDERS))
    assert routes["openai"]["oauth_refresh"]["token_url"] == "https://auth.openai.com/oauth/token"
    assert set(routes["anthropic"]["oauth_refresh"]) == {"token_url", "client_id"}
    assert "oauth_refresh" not in routes["mistral"]
    assert [line for line in deny_lines(PROVIDERS) if "- auth.openai.com " in line]


def test_keys_come_from_a_file_or_a_command_and_sets_are_apart(cli: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file-0123456789\n")
    assert cli("auth", "mistral", "--from-file", str(tmp_path / "key")).code == 0
    done = cli("auth", "mistral", "--from-command", "printf 'sk-team-%s' 0123456789", "--credential-set", "team")
    assert done.code == 0, done.err
    with open_vault(SandboxConfig.load()) as vault:
        keys = [(vault.load_credential(name, "mistral") or {})["key"] for name in ("default", "team")]
    assert keys == ["sk-file-0123456789", "sk-team-0123456789"]
    rows = json.loads(cli("auth", "list", "--json").out)
    assert [(row["provider"], row["credential_set"], row["state"]) for row in rows] == [
        ("mistral", "default", "valid"), ("mistral", "team", "valid"),
    ]  # fmt: skip
    assert "sk-" not in cli("auth", "list").out
    assert cli("auth", "status", "vibe").code == 0
    assert cli("auth", "status", "claude").code == 3
    assert cli("auth", "remove", "vibe", "--credential-set", "team").code == 0
    missing = cli("auth", "remove", "vibe", "--credential-set", "team")
    assert (missing.code, "there is no credential of mistral in the set team" in missing.err) == (3, True)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("auth", "mistral", "--from-file", "/no/such/file"), "cannot be read"),
        (("auth", "mistral", "--from-command", "false"), "gave no key"),
        (("auth", "mistral", "--from-command", "'"), "cannot be read"),
        (("auth", "mistral", "--from-command", "printf 'two words'"), "that is not an API key"),
        (("auth", "mistral", "--method", "oauth"), "has no sign-in called 'oauth'"),
        (("auth", "gemini", "--method", "oauth"), "aistudio.google.com/apikey"),
        (("auth", "google", "--device-auth"), "Code Assist"),
        (("auth", "copilot", "--method", "oauth"), "terok-executor auth openai"),
        (("auth", "mistral", "extra"), "is one too many"),
        (("auth", "remove"), "what is to be removed?"),
        (("vault", "clean", "/no/such/directory"), "not a directory"),
    ],
)
def test_bad_requests_are_one_line_with_code_2(cli: Callable[..., Done], args: tuple[str, ...], message: str) -> None:
    done = cli(*args)
    assert done.code == 2, done.err
    assert message in done.err


def test_the_vault_is_cleaned_of_what_leaked_only_when_told_to(cli: Callable[..., Done], tmp_path: Path) -> None:
    assert cli("auth", "mistral", stdin="sk-leaky-0123456789\n").code == 0
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / ".env").write_text("KEY=sk-leaky-0123456789\n")
    own = tmp_path / "root/state/executor/run/task/state/vibe"
    own.mkdir(parents=True)
    (own / ".env").write_text("KEY=sk-leaky-0123456789\n")
    listed = cli("vault", "clean", str(workspace))
    assert listed.code == 1
    assert (listed.out.count("found  "), "sk-leaky" in listed.out) == (2, False)
    removed = json.loads(cli("vault", "clean", str(workspace), "--remove", "--json").out)
    assert [(row["provider"], row["field"], row["removed"]) for row in removed] == [("mistral", "key", True)] * 2
    assert cli("vault", "clean", str(workspace)).code == 0
    assert not (own / ".env").exists()
