from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from terok_acp.cli import main
from terok_acp.editors.setup import EDITORS, setup_of
from terok_acp.wall.capabilities import AUTH_METHODS

WORDS = ["/opt/a b/terok", "acp", "connect", 'we"ird\\', "é"]
WHEEL = Path(__file__).parents[3]


def test_json_entries_are_json_with_the_command_in_it() -> None:
    for editor in ("zed", "jetbrains"):
        setup = setup_of(editor, WORDS)
        assert setup is not None
        entry = json.loads(setup.text)["agent_servers"]["terok"]
        assert [entry["command"], *entry["args"]] == WORDS and entry["env"] == {}


def test_a_shell_gives_toad_the_command_as_one_word() -> None:
    setup = setup_of("toad", WORDS)
    assert setup is not None
    program, verb, command, place = shlex.split(setup.text)
    assert (program, verb, place) == ("toad", "acp", ".") and shlex.split(command) == WORDS


@pytest.mark.parametrize("editor", ["codecompanion", "avante", "agent-shell"])
def test_entries_in_code_quote_the_words_and_close_what_they_open(editor: str) -> None:
    setup = setup_of(editor, WORDS)
    assert setup is not None
    literals = re.findall(r'"(?:[^"\\]|\\.)*"', setup.text)
    assert [json.loads(literal) for literal in literals if json.loads(literal) in WORDS] == WORDS
    code = re.sub(r'"(?:[^"\\]|\\.)*"', "", setup.text)
    for opening, closing in ("()", "{}"):
        assert code.count(opening) == code.count(closing)


def test_every_editor_has_an_entry_and_no_other() -> None:
    assert all((setup := setup_of(editor, ["terok"])) and setup.place and setup.label for editor in EDITORS)
    assert setup_of("ed", WORDS) is None and len(EDITORS) == 6


def test_config_prints_only_what_is_pasted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for program, start in (("/usr/bin/terok", ["acp", "connect"]), ("/x/terok-acp", ["connect"])):
        monkeypatch.setattr("sys.argv", [program])
        assert main(["config", "zed", "project", "task"]) == 0
        out, err = capsys.readouterr()
        entry = json.loads(out)["agent_servers"]["terok"]
        assert entry["args"] == [*start, "project", "task"] and "settings.json" in err
        assert entry["command"].endswith(Path(program).name)
    assert main(["config", "zet"]) == 2 and "did you mean zed?" in capsys.readouterr().err


def test_the_registry_would_take_the_manifest() -> None:
    place = WHEEL / "registry" / "terok"
    entry = json.loads((place / "agent.json").read_text())
    version = tomllib.loads((WHEEL / "pyproject.toml").read_text())["project"]["version"]
    assert re.fullmatch(r"[a-z][a-z0-9-]*", entry["id"]) and entry["id"] == place.name
    assert entry["version"] == version and re.match(r"\d+\.\d+\.\d+", version)
    assert entry["name"] and entry["description"] and list(entry["distribution"]) == ["uvx"]
    assert entry["distribution"]["uvx"] == {"package": f"terok-acp=={version}", "args": ["connect"]}
    icon = ET.parse(place / "icon.svg").getroot()
    assert (icon.get("width"), icon.get("height")) == ("16", "16")
    assert {part.get("fill") for part in icon} == {"currentColor"}
    assert len(AUTH_METHODS) == 1 and "type" not in AUTH_METHODS[0]  # no type is the protocol's `agent`
