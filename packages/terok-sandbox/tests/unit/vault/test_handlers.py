from __future__ import annotations

import getpass
import io
import json
from pathlib import Path

import pytest
from terok_sandbox.audit import AuditLog
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.cli import VERBS
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.tokens import TokenShape, mint
from terok_sandbox.vault.unlock import open_vault, provision_session
from terok_util import CommandTree, run_cli

KEY = "sk-a-real-key-0123456789"


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = run_cli(CommandTree(VERBS), prog="test", distribution="terok-sandbox", argv=["vault", *arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_key_s_life(vault) -> None:
    assert json.loads(vault("status", "--json")[1])["state"] == "unprovisioned"
    code, out, err = vault("set", "anthropic", stdin=KEY + "\n")
    assert code == 0 and "stored" in out and KEY not in out + err
    assert vault("set", "anthropic", "--set", "work", stdin=KEY)[0] == 0
    with open_vault(SandboxConfig()) as database:
        assert database.load_credential("default", "anthropic") == {"type": "api_key", "key": KEY}
        token = database.create_token("box", "anthropic")
    listed = json.loads(vault("list", "--json", "--include-tokens")[1])
    assert [row["credential_set"] for row in listed["credentials"]] == ["default", "work"]
    assert listed["tokens"][0]["container"] == "box" and KEY not in repr(listed) and token not in repr(listed)
    assert "anthropic" in vault("list", "--include-tokens")[1] and "unlocked (session)" in vault("status")[1]
    assert vault("revoke", "box")[1] == "revoked 1 token of box\n"
    assert "--include-tokens" in vault("revoke", "box")[2], "nothing to revoke may be a name misspelled"
    SandboxConfig().routes_path.parent.mkdir(parents=True, exist_ok=True)
    SandboxConfig().routes_path.write_text('{"anthropic": {"upstream": "https://api.example.com"}}')
    assert "route" not in vault("set", "anthropic", stdin=KEY)[2]
    assert "no container can use it; there are anthropic" in vault("set", "anthropical", stdin=KEY)[2]
    assert vault("remove", "anthropic", "--set", "work")[0] == 0
    code, _, err = vault("remove", "anthropic", "--set", "work")
    assert code == 1 and "hint:" in err


def test_a_key_is_replaced_only_after_a_yes(vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> str:
        with open_vault(SandboxConfig()) as database:
            return database.load_credential("default", "anthropic")["key"]

    assert getpass.getpass  # the front end defers this module, and what stands for it until then cannot be patched
    other = KEY + "-other"
    assert vault("set", "anthropic", stdin=KEY)[0] == 0 == vault("set", "anthropic", stdin=KEY)[0]
    code, _, err = vault("set", "anthropic", stdin=other)
    assert code == 1 and "--yes" in err and kept() == KEY and other not in err
    for answer, code, left in (("\n", 1, KEY), ("no\n", 1, KEY), ("y\n", 0, other)):
        terminal = io.StringIO(answer)
        terminal.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("getpass.getpass", lambda _: other)
        words = ["vault", "set", "anthropic"]
        assert run_cli(CommandTree(VERBS), prog="test", distribution="terok-sandbox", argv=words) == code
        assert kept() == left
    assert vault("set", "anthropic", "--yes", stdin=KEY)[0] == 0 and kept() == KEY


def test_what_is_certainly_no_key_is_refused(vault) -> None:
    assert vault("set", "anthropic", stdin=KEY)[0] == 0
    cfg = SandboxConfig()
    with open_vault(cfg) as database:
        phantom = database.create_token("box", "anthropic", shape=TokenShape("sk-ant-", 40, "base62"))
    texts = {
        cfg.vault_session_file.read_text().strip(): "passphrase",
        generate_passphrase(): "passphrase",
        phantom: "phantom token",
        mint(): "phantom token",
        f'"{KEY}"': "quotes",
        f"'{KEY}": "quotes",
        f"ANTHROPIC_API_KEY={KEY}": "NAME=value",
        "https://console.example.com/keys": "URL",
        "short": "8 or more",
        f"Bearer {KEY}": "without spaces",
    }
    for text, why in texts.items():
        code, out, err = vault("set", "openai", stdin=text)
        assert code == 1 and why in err and text not in out + err, text
    assert len(json.loads(vault("list", "--json")[1])["credentials"]) == 1
    for text in ("abcdefgh==", "AKIA/abc+def=", "ghp_0123456789"):
        assert vault("set", "openai", "--yes", stdin=text)[0] == 0, "what ends like base64 is no assignment"


def test_locking_and_unlocking(vault, tmp_path: Path) -> None:
    assert vault("unlock")[0] == 0
    cfg = SandboxConfig()
    session = cfg.vault_session_file
    passphrase = session.read_text()
    assert vault("lock")[0] == 0 and not session.exists()
    code, out, _ = vault("status", "--json")
    assert code == 2 and json.loads(out)["state"] == "locked" and json.loads(out)["durable_tier"] == "file"
    for arguments, stdin in (("list",), ""), (("set", "x"), KEY):
        code, _, err = vault(*arguments, stdin=stdin)
        assert code == 2 and "vault unlock" in err
    assert vault("unlock")[0] == 0 and vault("list")[0] == 0
    assert vault("passphrase", "acknowledge", stdin="not the one\n")[0] == 1
    assert vault("passphrase", "acknowledge", stdin=passphrase)[0] == 0
    assert vault("passphrase", "forget")[0] == 0 and vault("lock")[0] == 0
    assert vault("unlock", stdin="not the one\n")[0] == 1 and not session.exists()
    assert vault("unlock", stdin=passphrase)[0] == 0 and vault("list")[0] == 0
    session.write_text("wrong")
    code, _, err = vault("list")
    assert code == 1 and "the session tier" in err and "vault unlock" in err
    assert vault("unlock", stdin=passphrase)[0] == 0 and vault("list")[0] == 0, "the hint leads out of it"


def test_the_recovery_key(vault) -> None:
    vault("unlock")
    cfg = SandboxConfig()
    key = cfg.vault_session_file.read_text()
    assert "not written down" in vault("status")[1]
    assert vault("passphrase", "reveal")[0] == 1
    assert vault("passphrase", "reveal", "--allow-redirect")[1] == key
    assert vault("passphrase", "acknowledge", stdin=key)[0] == 0 and "not written down" not in vault("status")[1]
    shown = json.loads(vault("passphrase", "show", "--json")[1])
    assert shown["tier"] == "file" and shown["acknowledged"] and key.strip() not in repr(shown)
    (cfg.vault_dir / "passphrase").write_text("damaged\n")
    cfg.vault_session_file.unlink()
    assert vault("list")[0] == 1
    assert vault("unlock", "--recover", stdin=key)[0] == 0 and vault("list")[0] == 0
    assert (cfg.vault_dir / "passphrase").read_text() == key
    assert vault("passphrase", "change", "--ask", stdin="short")[0] == 2
    code, out, err = vault("passphrase", "change")
    assert code == 0 and cfg.vault_session_file.read_text().strip() not in out + err


def test_a_session_that_is_the_only_copy_is_not_dropped(vault) -> None:
    provision_session(SandboxConfig(), tier="none")
    code, _, err = vault("lock")
    assert code == 1 and "only copy" in err and SandboxConfig().vault_session_file.exists()
    assert "reboot" in vault("status")[1] and vault("lock", "--force")[0] == 0


def test_the_audit_s_rows_and_chain(vault) -> None:
    cfg = SandboxConfig()
    for name in ("one", "two"):
        path = cfg.container_state_dir(name) / "vault-audit.jsonl"
        log = AuditLog(path, container=name)
        for provider in ("anthropic", "openai", "anthropic"):
            log.append("request", provider=provider, path="/v1/\x1b[31m")
    assert len(vault("audit")[1].splitlines()) == 6 and "\x1b" not in vault("audit")[1]
    code, out, _ = vault("audit", "one", "--provider", "anthropic", "--since", "1h", "--tail", "1", "--json")
    assert code == 0 and json.loads(out)["provider"] == "anthropic"
    code, out, _ = vault("audit", "--verify")
    assert code == 0 and out.count("intact (3 rows") == 2
    path = cfg.container_state_dir("two") / "vault-audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"openai", b"other", 1))
    code, out, _ = vault("audit", "--verify", "--json")
    assert code == 1 and json.loads(out)["one"]["ok"] and not json.loads(out)["two"]["ok"]
    assert vault("audit", "three")[0] == 1 and vault("audit", "--since", "x")[0] == 2


@pytest.mark.parametrize("stdin", ["", "short", "two words here", "two\nlines-of-text", "k" * 70000, "unicode-ключ-xx"])
def test_what_is_no_key_is_refused(vault, stdin: str) -> None:
    code, out, err = vault("set", "anthropic", stdin=stdin)
    assert code in (1, 2) and "hint:" in err
    if len(stdin) > 5:
        assert stdin not in out + err


def test_damage_is_reported(vault) -> None:
    vault("set", "anthropic", stdin=KEY)
    SandboxConfig().db_path.write_bytes(b"x" * 100)
    code, out, _ = vault("status")
    assert code == 1 and "truncated" in out
