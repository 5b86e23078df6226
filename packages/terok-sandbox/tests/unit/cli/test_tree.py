from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from terok_sandbox.cli import main
from terok_sandbox.cli.containers import allow_line, parse_env, parse_volume
from terok_sandbox.cli.tree import COMMANDS
from terok_sandbox.errors import SandboxError
from terok_sandbox.values.launch import VolumeSpec
from terok_util import TerokError, UsageError

HEAVY = ("pydantic", "aiohttp", "cryptography", "sqlcipher3", "asyncio", "dns", "tomlkit", "ruamel")


def test_every_handler_exists() -> None:
    leaves = [node for _, node in COMMANDS.walk() if node.handler is not None]
    assert len(leaves) > 15
    for node in leaves:
        assert callable(node.resolve()), node.name


def test_help_is_cheap() -> None:
    code = (
        "import sys; from terok_sandbox.cli import main; main(['--help']); main(['run', '--help']); "
        f"loaded = [name for name in {HEAVY} if name in sys.modules]; sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "run an image in a sandbox" in done.stdout


def test_a_launch_loads_no_openssl() -> None:
    launch = "terok_sandbox.cli.containers, terok_sandbox.sandbox.sandbox, terok_sandbox.launch.registry_hosts"
    code = f"import sys, {launch}; sys.exit('_hashlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_hints_name_commands_that_exist() -> None:
    source = Path(sys.modules["terok_sandbox"].__file__ or "").parent
    known = {" ".join(path) for path, _ in COMMANDS.walk()}
    named = {
        (file.name, words)
        for file in source.rglob("*.py")
        for words in re.findall(r"`terok-sandbox ([a-z]+(?: [a-z]+(?:-[a-z]+)*)*)", file.read_text())
    }
    assert len(named) > 10
    for file, words in sorted(named):
        assert words in known, f"{file}: terok-sandbox {words}"


def test_errors_are_one_line_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    assert main(["run", "--name", "box", "localhost/app", "--", "true"]) == 3
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "terok-sandbox: error: this host is not set up for sandboxed containers",
        "hint: run `terok-sandbox setup`",
    ]
    assert main(["setup", "--check"]) == 3
    assert main(["run", "--rm", "-d", "--name", "box", "localhost/app"]) == 2


def test_values_of_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FROM_HERE", "x=y")
    assert parse_env(["A=", "B=c=d", "FROM_HERE"]) == {"A": "", "B": "c=d", "FROM_HERE": "x=y"}
    monkeypatch.chdir(tmp_path)
    assert parse_volume("sub:/x:ro") == VolumeSpec(tmp_path / "sub", "/x", read_only=True)
    assert parse_volume("/a:/x") == VolumeSpec(Path("/a"), "/x")
    assert allow_line("host.example:443") == "+ host.example:443"
    for text in ("/a", "/a:/b:rw", ":/b", "/a:", "/a:/b:ro:z"):
        with pytest.raises(UsageError):
            parse_volume(text)
    with pytest.raises(UsageError):
        parse_env(["NOT_SET_ANYWHERE"])
    for target in ("", "host 1", "host:443\n+ evil:1", "-x"):
        with pytest.raises((UsageError, SandboxError)):
            allow_line(target)


def test_the_errors_are_one_tree() -> None:
    import terok_sandbox.errors as errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TerokError)]
    text = errors.__doc__ or ""
    for kind in kinds:
        if kind is not TerokError:
            assert issubclass(kind, SandboxError)
            assert re.search(rf"{kind.__name__} +{kind.exit_code} |{kind.__name__} +{kind.exit_code}\n", text), kind
    late = errors.EngineTimeout("late", hint="wait")
    assert isinstance(late, TimeoutError)
    assert (late.message, late.hint, str(late)) == ("late", "wait", "late")


def test_every_public_name_can_be_imported() -> None:
    import terok_sandbox

    for name in terok_sandbox.__all__:
        assert getattr(terok_sandbox, name) is not None
