"""Completion as real shells do it, from the files that `terok setup` writes."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terok.cli import complete
from terok.cli.setup import _install
from terok.cli.setup_parts import Homes, completions
from terok.cli.tree import COMMANDS
from terok_util.commands.complete import candidates

from . import populated

Ask = Callable[[str], set[str]]
"""Return what a shell offers for a command line."""
_PROGRAM = "#!/bin/sh\nexec {python} -c 'import sys; from terok.cli import main; sys.exit(main(sys.argv[1:]))' \"$@\"\n"
_BASH = """
source {scripts}/bash-completion/completions/terok
bind 'set bell-style none'
bind 'set show-all-if-ambiguous on'
bind 'set completion-query-items 0'
bind 'set page-completions off'
"""
_ZSH = """
fpath=({scripts}/zsh/site-functions $fpath)
autoload -Uz compinit && compinit -u -D
zstyle ':completion:*' list-prompt ''
unsetopt list_beep
LISTMAX=1000
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("terok", numbered=True)
    place.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEROK_ROOT", str(place))
        patch.setattr("terok.wire.client.start_controller", lambda: None)  # no process stays behind
        patch.setenv("HOME", str(place))
        patch.setenv("PATH", f"{place}/bin:{os.environ['PATH']}")
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        patch.delenv("XDG_DATA_HOME", raising=False)
        populated.populate(place)
        (place / "bin").mkdir()
        for name in ("terok", "terokctl"):
            (place / "bin" / name).write_text(_PROGRAM.format(python=sys.executable))
            (place / "bin" / name).chmod(0o755)
        assert _install(completions(Homes(place / "data", place / ".config"))) == "installed"
        yield place


def typed(argv: list[str], start: str, line: str) -> str:
    """Return what a shell on a terminal prints after `line` and the tab key."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update({"PS1": "$ ", "TERM": "dumb", "COLUMNS": "500", "LINES": "200"})
        os.execvp(argv[0], argv)
    try:
        # Each echo tells where the shell is; the quotes keep the typed line from looking like the answer.
        os.write(terminal, f"{start}\necho read''y\n".encode())
        read_until(terminal, b"\nready")
        os.write(terminal, f"{line}\t\t".encode())
        os.write(terminal, b"\x01\x0becho don''e\n")
        return read_until(terminal, b"\ndone").decode()
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def read_until(terminal: int, sign: bytes) -> bytes:
    found = b""
    while sign not in found.replace(b"\r", b""):
        found += os.read(terminal, 65536)
    return found


def ask_bash(home: Path, line: str) -> set[str]:
    start = _BASH.format(scripts=home / "data")
    return set(re.findall(r"[\w@/:.=-]+", typed(["bash", "--norc", "--noprofile", "-i"], start, line)))


def ask_zsh(home: Path, line: str) -> set[str]:
    start = _ZSH.format(scripts=home / "data")
    return set(re.findall(r"[\w@/:.=-]+", typed(["zsh", "-f", "-i"], start, line)))


def ask_fish(home: Path, line: str) -> set[str]:
    quoted = line.replace("'", "\\'")
    done = subprocess.run(
        ["fish", "--private", "-c", f"complete -C '{quoted}'"], capture_output=True, text=True, check=True, timeout=60
    )
    return {row.partition("\t")[0] for row in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", ["terok", "terokctl"])
def test_a_shell_completes_verbs_options_and_names(shell: str, program: str, home: Path) -> None:
    assert shutil.which(shell), "tools/bootstrap installs it"
    ask = {"bash": ask_bash, "zsh": ask_zsh, "fish": ask_fish}[shell]
    assert {"stop", "status", "show"} <= ask(home, f"{program} task s")
    assert {"web", "broken"} <= ask(home, f"{program} task run ")
    assert {"calm-otter", "brave-elk", "old-fox"} <= ask(home, f"{program} task stop web ")
    assert {"--memory", "--max-turns"} <= ask(home, f"{program} task run web --m")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_words_that_bash_splits_are_completed_too(shell: str, home: Path) -> None:
    ask = {"bash": ask_bash, "zsh": ask_zsh, "fish": ask_fish}[shell]
    found = ask(home, "terok task list s:w")
    assert {"s:working", "s:waiting"} <= found or {"working", "waiting"} <= found
    found = ask(home, "terok task run web --mode=")
    assert {"--mode=headless", "--mode=web"} <= found or {"headless", "web"} <= found


def test_races_and_lists_of_agents(home: Path) -> None:
    assert {"@latest", "try", "gone", populated.RACE} <= set(complete.races("", ["race", "show"]))
    assert f"R2-{populated.RACE[2:]}" in complete.races("R2-", ["race", "show"])
    assert f"!race:{populated.RACE}" in complete.terms("!race:", ["task", "list"])
    assert {"demo", "claude"} <= set(complete.agent_list("", []))
    assert {"demo,claude", "demo,demo"} <= set(complete.agent_list("demo,cl", []))


def test_tasks_of_the_project_that_is_typed(home: Path) -> None:
    everywhere = list(complete.tasks("", ["task", "stop"]))
    assert {"@latest", "calm-otter", populated.FIRST, "web/"} <= set(everywhere)
    assert "web/" not in complete.tasks("", ["task", "stop", "web"])
    assert set(complete.tasks("web/", ["task", "stop"])) >= {"web/calm-otter", "web/@latest"}
    assert "calm-otter" in complete.tasks("", ["task", "stop", "nosuch"])


def test_an_identifier_is_completed_as_it_was_begun(home: Path) -> None:
    assert f"A-{populated.FIRST[1:]}" in complete.tasks("A-", ["task", "show"])
    assert [name for name in complete.tasks("zz", ["task", "show"]) if name.startswith("zz")] == []


def test_containers_and_mirrors_by_name(home: Path) -> None:
    (home / "state/sandbox/sidecar").mkdir(exist_ok=True)
    (home / "state/sandbox/sidecar/box.json").touch()
    assert candidates(COMMANDS, ["sandbox", "gate", "branches", ""]) == ["web"]
    assert candidates(COMMANDS, ["shield", "status", ""]) == ["box"]
    assert "claude" in candidates(COMMANDS, ["executor", "run", ""])
    assert "gh" in candidates(COMMANDS, ["executor", "run", "demo", "--tool", ""])


def test_presets_and_agents_by_name(home: Path) -> None:
    assert list(complete.presets("", ["task", "run", "web"])) == ["long"]
    assert list(complete.presets("", ["task", "run", "broken"])) == []
    assert {"claude", "demo"} <= set(complete.agents("", []))
    assert "anthropic" in complete.agents_or_providers("", [])
    assert "a:demo" in complete.terms("a:", [])
    assert "!p:web" in complete.terms("!p:", [])
