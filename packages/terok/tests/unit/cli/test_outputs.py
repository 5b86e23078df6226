"""What commands print with `--json`, against the published schemas."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reference
from outputs import OUTPUTS, Lines, document
from shapes import problem
from terok.cli import main
from terok.cli.tree import COMMANDS
from terok_util import CommandDef

from . import populated

BESIDE = {
    *("acp config", "acp connect"),
    *("agents schema", "completions", "config edit", "controller start", "controller stop", "executor login"),
    *("executor rm", "executor stop", "login", "project derive", "project edit", "setup", "task attach", "uninstall"),
    *("sandbox clearance", "sandbox clearance allow", "sandbox clearance deny", "sandbox clearance notify"),
    *("sandbox cleanup", "sandbox rm", "sandbox run", "sandbox setup", "sandbox start", "sandbox stop"),
    "sandbox uninstall",
    *(f"sandbox supervisor {verb}" for verb in ("redo", "start", "stop", "sweep")),
    *(f"sandbox ssh {verb}" for verb in ("add", "default", "export", "import", "link", "pub", "remove", "rename")),
    *(f"vault {verb}" for verb in ("billing", "lock", "remove", "revoke", "set", "unlock")),
    *(f"vault passphrase {verb}" for verb in ("acknowledge", "change", "forget", "reveal", "seal", "to-file")),
    *("vault passphrase to-keyring", "agents set", "executor agents set", "executor setup", "executor uninstall"),
}
"""Commands without `--json`: they change something, become something else, or print one word."""
SKIPPED = {"sandbox clearance": "becomes a terminal program; `clearance list` is what a program reads"}

WITHOUT_PODMAN = """
usage | usage --by day
status | status -q | events | op log | task list | task list s:done | task list --all | task show a2
task timeline a2 | task timeline b2 --kind run | task timeline b2 --export otlp | task timeline b2 --export sarif
task status a2 | task why b2 | task followup a2 --list | task audit a2 | task wait b2 | task rename c2 older-fox
task diff b2 | task new web "Fix it" | review | review b2 | review brave-elk | reject b2 -m no | project list
race run web "Fix it" -n 2 --check true | race list | race show try | race show gone | race stop try | race delete gone
project show web | project agents web | config paths | config resolved web | config resolved --all
config explain run.memory | acp list | config explain run | config schema | config schema global | config validate
agents list | agents list --all | agents dir | agents dir demo | executor show-config | auth list | auth status
tui --keys | shield profiles | shield sets | shield sets web | shield check example.org:443 --profile base
shield why example.org --profile base | controller status | sandbox supervisor status | sandbox clearance list
sandbox gate list | sandbox gate path web | sandbox gate sync web | sandbox gate branches web
sandbox gate ops web | sandbox gate apply web | sandbox gate backups web | sandbox gate policy web
sandbox gate access web | sandbox gate review | sandbox gate review web terok/b2345678 | sandbox gate prune web
sandbox gate gc web | vault status | vault passphrase show | vault audit | vault usage
"""


LINES = [line for row in WITHOUT_PODMAN.split("\n") for line in row.split(" | ") if line]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("terok", numbered=True)
    place.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEROK_ROOT", str(place))
        patch.setattr("terok.wire.client.start_controller", lambda: None)  # no process stays behind
        patch.setenv("TEROK_NO_INPUT", "1")
        populated.populate(place)
        yield place


def leaf(words: list[str]) -> tuple[str, CommandDef]:
    """Return the path and the command that a command line names."""
    for length in range(len(words), 0, -1):
        try:
            return " ".join(words[:length]), COMMANDS.find_at(words[:length])
        except LookupError:
            continue
    raise LookupError(words)


def commands() -> dict[int, tuple[str, CommandDef]]:
    """Return everything that can be run, by identity, with its first path."""
    found: dict[int, tuple[str, CommandDef]] = {}
    for path, node in COMMANDS.walk():
        if node.handler is not None:
            found.setdefault(id(node), (" ".join(path), node))
    return found


def test_every_command_prints_json_with_a_schema_or_is_known_not_to() -> None:
    published = {id(COMMANDS.find_at(path)) for path in OUTPUTS}
    beside = {id(COMMANDS.find_at(path)) for path in BESIDE}
    for identity, (path, node) in commands().items():
        if path in SKIPPED:
            continue
        has_json = any("--json" in arg.flags for arg in node.args)
        assert has_json == (identity in published), f"{path}: --json and tools/outputs.py disagree"
        assert has_json != (identity in beside), f"{path}: --json and the list of commands without disagree"


def test_what_is_generated_is_up_to_date() -> None:
    assert reference.outdated() == [], "write it anew with `tools/run python tools/reference.py`"


@pytest.mark.parametrize("line", LINES)
def test_the_output_is_what_the_schema_says(line: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line)
    path, node = leaf(words)
    name = next(name for name in OUTPUTS if COMMANDS.find_at(name) is node)
    capfd.readouterr()
    code = main([*words, "--json"])
    out, err = capfd.readouterr()
    assert code in (0, 1, 3, 69), f"{path}: {err}"
    assert "error:" not in err
    output = OUTPUTS[name]
    documents = [json.loads(row) for row in out.splitlines()] if isinstance(output, Lines) else [json.loads(out)]
    schema: dict[str, Any] = document(name)
    for one in documents:
        assert problem(one, schema) is None


def test_a_wrong_output_is_seen() -> None:
    right = {"project": "web", "operation": 3}
    schema = document("project delete")
    assert problem(right, schema) is None
    for wrong in ({"project": "web"}, right | {"more": 1}, right | {"operation": True}, right | {"project": None}, []):
        assert problem(wrong, schema) is not None


def test_the_schemas_are_published() -> None:
    published = {path.name for path in (reference.REFERENCE / "schemas").iterdir()}
    assert published == {reference.file_name(path) for path in OUTPUTS}
    assert len(published) > 100
