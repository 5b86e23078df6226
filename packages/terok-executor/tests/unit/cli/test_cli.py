"""The command line as a process: what it prints, its exit codes, and what it imports."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from terok_executor.cli import main
from terok_executor.errors import BuildError
from terok_executor.image.builder import ImageBuilder
from terok_executor.launch.request import AgentRequest, ToolRequest
from terok_util.process import PIPE, spawn


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    (tmp_path / "root" / "run").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*args: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = main(list(args))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = """
import sys
before = len(sys.modules)
from terok_executor.cli import main
code = main(["--help"])
heavy = {"typing", "dataclasses", "asyncio", "pydantic", "aiohttp", "textual", "httpx", "ruamel", "dns", "cryptography",
         "sqlcipher3", "jinja2"}
found = sorted(heavy & set(sys.modules))
print("HEAVY", found, len(sys.modules) - before < 60)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "HEAVY [] True" in done.stdout
    for verb in ("run", "auth", "agents", "build", "list", "logs", "stop", "rm", "setup", "sandbox", "vault"):
        assert verb in done.stdout


def test_the_vault_is_the_sandbox_s_own_node() -> None:
    from terok_executor.cli.tree import standalone_commands
    from terok_util import CommandTree

    tree = CommandTree(standalone_commands())
    assert tree.find_at("vault") is tree.find_at("sandbox vault")


def test_every_handler_exists_and_takes_its_arguments() -> None:
    import inspect

    from terok_executor.cli.tree import COMMANDS
    from terok_util import CommandTree

    for path, node in CommandTree(COMMANDS).walk():
        if node.is_group:
            continue
        handler = node.resolve()
        assert handler is not None, path
        given = {argument.dest for argument in node.args}
        taken = {parameter.name for parameter in inspect.signature(handler).parameters.values()}
        if "options" in taken:
            request = AgentRequest if path == ("run",) else ToolRequest
            taken = (taken - {"options"}) | {field.name for field in fields(request) if field.name in given}
        assert taken == given, path


def test_agents_are_listed(cli: Callable[..., Done], tmp_path: Path) -> None:
    rows = json.loads(cli("agents", "list", "--json").stdout)
    assert [row["name"] for row in rows] == ["claude", "codex", "copilot", "demo", "gemini", "opencode", "pi", "vibe"]
    text = cli("agents", "list", "--all").stdout
    assert "openrouter" in text


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("run", "nobody", ".", "-p", "x"), 2, "unknown agent"),
        (("run", "claude", ".", "-p", " "), 2, "the prompt is empty"),
        (("run", "claude", "."), 2, "the prompt is empty"),
        (("run", "claude", "/no/such/dir", "-p", "x"), 2, "neither"),
        (("run", "claude", "repo", "-p", "x", "--base", "x y"), 2, "invalid base image"),
        (("run", "claude", "repo", "-p", "x", "--timeout", "0"), 2, "time-out"),
        (("run", "claude", "repo", "-p", "x", "--prompt-file", "y"), 2, "not allowed"),
        (("run", "demo", "repo", "-p", "x"), 2, "has no upstream"),
        (("run", "claude", "repo", "-p", "x"), 3, "not set up"),
        (("build", "nobody"), 2, "unknown agent"),
        (("build", "--base", "$(id)"), 2, "invalid base image"),
        (("auth", "nobody"), 2, "neither a provider nor an agent"),
        (("logs", "UPPER"), 2, "invalid container name"),
        (("stop", "some", "--timeout", "-1"), 2, "at least 0 seconds"),
        (("run", "claude", "repo", "-p", "x", "--instructions", "/no/such"), 2, "cannot be read: No such file"),
        (("build", "--agents=nobody,-demo"), 2, "unknown agent"),
        (("build", "--base", "oci-archive:/no/such"), 2, "no archive"),
        (("run", "claude", "https://user:secret@example.test/x", "-p", "x"), 2, "contains credentials"),
        (("run", "claude", "repo", "-p", "x", "--no-gate"), 2, "only an https URL"),
        (("run", "demo", "repo", "--web", "--provider", "anthropic"), 2, "has no web page"),
        (("run", "claude", "repo", "-p", "x", "--port", "8080"), 2, "--port means nothing with a prompt"),
        (("run", "claude", "repo", "--interactive", "--public-url", "https://x"), 2, "--public-url means nothing"),
        (("run", "claude", "repo", "--interactive", "--rm"), 2, "--rm means nothing with --interactive"),
        (("run", "opencode", "repo", "--web", "--json"), 2, "--json means nothing with --web"),
        (("run", "claude", "repo", "-p", "x", "--timezone", "x y"), 2, "time zone"),
        (("run", "claude", "repo", "-p", "x", "--memory", "lots"), 2, "memory size"),
        (("run-tool", "--timezone", "x y", "coderabbit", "repo"), 2, "time zone"),
        (("run", "claude", "repo", "-p", "x", "--timezone", "Mars/Phobos"), 2, "not a time zone name"),
        (("run", "claude", "repo", "-p", "x", "--allow", "a..b:443"), 2, "not a destination"),
        (("run", "claude", "repo", "-p", "x", "--allow", "*:443"), 2, "not a destination"),
        (("run", "claude", "repo", "-p", "x", "--allow", "host:0"), 2, "not a destination"),
        (("run", "claude", "repo", "-p", "x", "--env", "LD_PRELOAD=/x"), 2, "LD_PRELOAD is set by terok itself"),
        (("run", "claude", "repo", "-p", "x", "-e", "NOT_SET_ANYWHERE"), 2, "NOT_SET_ANYWHERE' is not set here"),
        (("run", "claude", "repo", "-p", "x", "--cpus", "many"), 2, "invalid number of CPUs 'many'"),
        (("run", "claude", "repo", "-p", "x", "--branch", "HEAD"), 2, "not a branch name"),
        (("run", "claude", "repo", "-p", "x", "--branch", "refs/heads/main"), 2, "not a branch name"),
        (("logs", "some", "--tail", "-1"), 2, "argument --tail: invalid"),
        (("login", "some"), 2, "there is no container"),
        (("deliver", "some"), 2, "there is no container"),
        (("run-tool", "gh", "repo"), 2, "unknown sidecar"),
        (("start", "nobody", "-p", "x"), 2, "there is no container"),
    ],
)
def test_bad_input_is_one_line_a_hint_and_a_documented_code(
    cli: Callable[..., Done], tmp_path: Path, args: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    done = cli(*args)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "root" / "state" / "executor" / "run").exists()


def test_a_damaged_user_file_names_itself(cli: Callable[..., Done], tmp_path: Path) -> None:
    directory = tmp_path / "root" / "config" / "agents"
    directory.mkdir(parents=True)
    (directory / "claude.yaml").write_text("headless:\n  argz: [x]\n")
    done = cli("agents", "list")
    assert done.returncode == 78
    assert "claude.yaml:2: headless.argz" in done.stderr


def test_an_unreadable_ca_bundle_stops_a_build(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "podman").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bin" / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    done = cli("build", "demo")
    assert done.returncode == 5
    assert "CA bundle /no/such/file cannot be used" in done.stderr


def test_a_key_is_read_from_standard_input_and_never_shown(cli: Callable[..., Done], tmp_path: Path) -> None:
    done = cli("auth", "claude", stdin="sk-ant-secret\n")
    assert done.returncode == 0, done.stderr
    assert "sk-ant-secret" not in done.stdout + done.stderr
    assert "Anthropic" in done.stdout
    assert cli("auth", "claude", stdin="\n").returncode == 2
    assert (tmp_path / "root" / "state" / "vault" / "routes.json").exists()


def test_the_configuration_is_shown_without_secrets(cli: Callable[..., Done], tmp_path: Path) -> None:
    shown = json.loads(cli("show-config", "--json").stdout)
    assert shown["executor"]["providers_dir"].endswith("config/providers")
    assert shown["executor"]["image"]["base_image"] == "mmdebstrap:trixie"
    (tmp_path / "root" / "config").mkdir()
    (tmp_path / "root" / "config" / "config.yml").write_text("image: {base_image: localhost/mine, family: rpm}\n")
    shown = json.loads(cli("show-config", "--json").stdout)
    assert (shown["executor"]["image"]["base_image"], shown["executor"]["image"]["family"]) == ("localhost/mine", "rpm")
    assert shown["sandbox"]["state_dir"].endswith("state/sandbox")
    assert shown["sandbox"]["budget"]["task"]["tokens"] is None


def test_sign_ins_and_preflight_use_the_configured_base_and_family(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root" / "config").mkdir()
    (tmp_path / "root" / "config" / "config.yml").write_text("image: {base_image: localhost/mine, family: rpm}\n")
    asked: list[tuple[str, str]] = []

    def ask(builder: ImageBuilder, *_: object) -> str:
        asked.append((builder.base.text, builder.family))
        raise BuildError("not now")

    monkeypatch.setattr(ImageBuilder, "present", ask)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "podman").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bin" / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert cli("auth", "claude", "--method", "oauth").returncode == 6
    assert cli("preflight", "claude").returncode == 3
    assert asked == [("localhost/mine", "rpm")] * 2


def test_a_damaged_record_is_said_and_the_others_are_listed(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "root" / "state" / "executor" / "run"
    for name, text in (("one", "{"), ("two", "")):
        (runs / name).mkdir(parents=True)
        if text:
            (runs / name / "run.json").write_text(text)
    done = cli("list", "--json")
    assert (done.returncode, done.stdout.strip()) == (0, "[]")
    assert "one/run.json cannot be read" in done.stderr
    assert "terok-executor rm one" in done.stderr


def test_a_line_without_an_end_is_printed_in_pieces(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from terok_executor.cli import listing

    (tmp_path / "endless").write_bytes(b"x" * 200_000)
    process = spawn(["cat", str(tmp_path / "endless")], stdout=PIPE)
    container = SimpleNamespace(state="exited", logs_process=lambda **_: process)
    monkeypatch.setattr(listing, "PodmanRuntime", lambda: SimpleNamespace(container=lambda _: container))
    assert listing.logs("c", follow=False, tail=None, timestamps=True, raw=False, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 20_000
    assert "".join(lines) == "x" * 200_000


def test_preflight_mends_what_it_may(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def record(words: list[str]) -> int:
        called.append(list(words))
        return 0

    monkeypatch.setattr("terok_executor.cli.preflight.setup", lambda: record(["setup"]))
    monkeypatch.setattr("terok_executor.cli.preflight.sign_in", lambda name, **_: record(["auth", name]))
    monkeypatch.setattr("terok_executor.cli.preflight.build", lambda agents, *_, **__: record(["build", *agents]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(""))
        code = main(["preflight", "claude", "--yes"])
    assert code == 3, "nothing was really mended"
    assert ["auth", "anthropic"] in called
    assert called[0] == ["setup"]


WAITS = """
import os, signal, sys, time
from terok_executor.cli.following import catch_termination
{before}
catch_termination()
try:
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(0.2)
    print("went on")
except SystemExit as end:
    print("unwound", end.code)
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("signal.signal(signal.SIGHUP, signal.SIG_DFL)", "unwound 129"),
        ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", "went on"),
    ],
)
def test_a_closed_terminal_unwinds_unless_it_is_ignored(before: str, said: str) -> None:
    program = WAITS.format(before=before)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == said, done.stderr


@pytest.mark.parametrize(
    "module", ["terok_util.commands.front", "terok_executor.cli.tree", "terok_executor.cli.agents"]
)
def test_an_interruption_while_modules_are_loaded_is_one(module: str) -> None:
    program = f"""
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from terok_executor.cli import main
sys.exit(main(["agents", "list"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")
