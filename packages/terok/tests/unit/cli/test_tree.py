from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from terok.cli import main
from terok.cli.tree import COMMANDS

HEAVY = ["pydantic", "textual", "aiohttp", "httpx", "httpx2", "ruamel", "dns", "cryptography", "sqlcipher3", "jinja2"]
HEAVY += ["asyncio", "rich"]


def modules_after(*words: str) -> set[str]:
    """Top-level names of what a run of `terok` with these words has imported."""
    code = (
        "import contextlib, io, json, sys\n"
        "from terok.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    assert main({list(words)!r}) == 0\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["demo", "--help"], ["vault", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    assert modules_after(*words) & set(HEAVY) == set()


def test_without_a_verb_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    output = capsys.readouterr().out
    assert output.startswith("usage: terok")
    for verb in ("demo", "setup", "auth", "review", "promote", "reject", "executor", "sandbox", "vault"):
        assert f"\n  {verb} " in output


def test_a_command_with_two_places_is_one() -> None:
    assert COMMANDS.find_at("sandbox vault") is COMMANDS.find_at("vault")
    assert COMMANDS.find_at("executor auth") is COMMANDS.find_at("auth")


def test_a_wrap_at_one_place_shows_at_the_other() -> None:
    def wrapped() -> None: ...

    tree = COMMANDS.overlay({"vault status": wrapped})
    assert tree.find_at("sandbox vault status").handler is wrapped


@pytest.mark.parametrize("words", [("review", "nosuch"), ("promote", "nosuch"), ("reject", "nosuch", "-m", "no")])
def test_what_is_no_task_branch_or_commit_is_one_line_and_a_hint(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root/run").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    assert main(["review"]) == 0
    assert capsys.readouterr().out == "nothing waits for review\n"
    assert not (tmp_path / "root/state").exists(), "a verb that only reads makes nothing"
    assert main([*words]) == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith("terok: error: no task, branch or commit is called")
    assert hint.startswith("hint: `terok review` lists")


def test_every_handler_exists() -> None:
    for path, node in COMMANDS.walk():
        assert node.handler is None or callable(node.resolve()), path


def test_an_unknown_verb_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dmeo"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("terok: error: ")


def test_an_option_has_one_name_in_all_wheels() -> None:
    """What handlers of any wheel get under one keyword is said with one word; the two others mean something else."""
    names: dict[str, set[str]] = {}
    for _, node in COMMANDS.walk():
        for option in (one for one in node.args if one.name.startswith("-")):
            names.setdefault(option.dest, set()).add(max(option.name.split("/"), key=len))
    several = {keyword: words for keyword, words in names.items() if len(words) > 1}
    assert several == {"check": {"--verify", "--check"}, "remove": {"--remove", "--rm"}}
    assert names["tail"] == {"--tail"}
    assert not {"lines", "last", "number"} & set(names)


@pytest.mark.parametrize(
    "verb",
    [
        *("executor build", "executor agents update", "sandbox shield why", "sandbox shield test"),
        "sandbox shield preview",
    ],
)
def test_what_a_program_may_want_to_read_comes_as_json_too(verb: str) -> None:
    assert "--json" in {option.name for option in COMMANDS.find_at(verb).args}
