from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terok_util import CommandDef, CommandTree, TerokError, UsageError, run_cli

PROGRAM = """
import sys
from terok_util import ArgDef, CommandDef, CommandTree, run_cli
verbs = [CommandDef(f"verb{n}", help=f"help {n}", handler="no_such_module:main", args=[ArgDef("x")]) for n in range(60)]
lazy = CommandDef("lazy", help="elsewhere", children="no_such_module:COMMANDS")
spam = CommandDef("spam", handler=lambda: [print("y" * 99) for _ in range(99999)] and None)
tree = CommandTree([*verbs, lazy, spam])
status = run_cli(tree, prog="terok", distribution="hypothesis")
heavy = {"pydantic", "ruamel", "asyncio.events", "aiohttp", "dataclasses", "typing", "subprocess", "logging", "ast"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
sys.exit(status)
"""


DEBUG_HINT = "hint: set TEROK_DEBUG=1 to see where\n"


def child(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})


def failing(error: BaseException) -> CommandTree:
    def handler() -> None:
        raise error

    return CommandTree([CommandDef("fail", handler=handler)])


@pytest.mark.parametrize("words", [["--help"], [], ["verb7", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = child(*words)
    assert done.returncode == 0
    assert done.stderr == "[]\n"
    assert ("verb7" if len(words) == 2 else "verb59") in done.stdout


def test_unknown_verb_comes_with_the_nearest() -> None:
    done = child("vreb7")
    assert done.returncode == 2
    assert done.stderr.startswith("terok: error: unknown command: vreb7\nhint: did you mean: terok verb")


def test_version() -> None:
    from importlib.metadata import version

    assert child("--version").stdout == f"terok {version('hypothesis')}\n"
    assert run_cli(CommandTree([]), prog="x", distribution="not-installed", argv=["--version"]) == 0


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (TerokError("it\x1b[2J broke", hint="fix it"), 1, "p: error: it\\x1b[2J broke\nhint: fix it\n"),
        (UsageError("wrong"), 2, "p: error: wrong\n"),
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device", "/x"), 74, "p: error: /x: No space left on device\n"),
        (
            ZeroDivisionError("a"),
            70,
            "p: error: internal error: ZeroDivisionError: a\n" + DEBUG_HINT,
        ),
    ],
)
def test_errors(error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(failing(error), prog="p", distribution="d", argv=["fail"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", text)


def test_traceback_only_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_DEBUG", "1")
    run_cli(failing(ValueError("x")), prog="p", distribution="d", argv=["fail"])
    assert "Traceback" in capsys.readouterr().err


def test_bare(capsys: pytest.CaptureFixture[str]) -> None:
    tree = CommandTree([CommandDef("verb", handler=lambda: 4)])
    assert run_cli(tree, prog="p", distribution="d", argv=[], bare=lambda: 9) == 9
    assert run_cli(tree, prog="p", distribution="d", argv=["verb"], bare=lambda: 9) == 4
    assert run_cli(tree, prog="p", distribution="d", argv=[], bare="os:getpid") == os.getpid()
    assert run_cli(tree, prog="p", distribution="d", argv=[]) == 0
    assert capsys.readouterr().out.startswith("usage: p")


def test_reader_that_went_away(tmp_path: Path) -> None:
    script = f'"{sys.executable}" -c "$0" spam 2>err | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script, PROGRAM], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "y" * 99 + "\n141\n"
    assert (tmp_path / "err").read_text() == "[]\n"
