"""Everything a person can do wrong is one line and a hint that leads on, and never a traceback."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from terok.cli import main

from . import populated

WRONG = """
2 nosuch | 2 taks | 2 logs | 2 task | 2 task lst | 2 task list --jsn | 2 task show | 2 task show nosuch
2 task show a/b/c | 2 task show web/nosuch | 2 task show nosuch/a2 | 2 task show ../a2 | 2 task status ''
2 task why @latest-one | 2 task list s:nosuch | 2 task list age:soon | 2 task list cost:>much
2 task list nosuch:x | 2 task list '!' | 2 task run | 2 task run nosuch x | 2 task run wep x
2 task run web '' --mode headless | 78 task run broken x | 2 task run web x --mode nosuch
2 task run web x --agent nosuch | 2 task run web x --preset nosuch | 2 task run web x --cpus many
2 task run web x --memory 12q | 2 task run web x --timeout soon | 2 task run web x -e NOSUCH_HERE
2 task run web x --prompt-file nosuch.txt | 2 task run web --prompt-file nosuch.txt
2 task run web x --after nosuch | 2 task run web x --name 'No Such' | 2 task run web x --budget much=1
2 task run web x --instructions nosuch.md | 2 task new nosuch | 2 task wait a2 --until nosuch
2 task wait a2 --timeout -1 | 2 task stop s:question:x | 2 task stop nosuch | 2 task restart nosuch
2 task delete nosuch | 2 task archive p:nosuch | 2 task restore nosuch | 2 task rename a2 'No Such'
2 task rename a2 | 2 task send a2 | 2 task send nosuch x | 2 task diff nosuch | 2 task followup a2
2 task followup a2 x --take-back 1 | 2 task followup a2 --take-back 99 | 2 task followup a2 ''
2 task usage nosuch | 2 login nosuch | 2 login a2 | 2 attach nosuch | 2 review nosuch | 2 promote nosuch
2 reject b2 | 2 reject nosuch -m no | 2 undo x | 1 undo 99 | 2 op log --al | 2 events --after x | 2 events --folow
2 project show nosuch | 2 project edit nosuch run.memory 4g | 78 project edit web nosuch.key 4g
78 project edit web run.memory 12q | 2 project edit web run.memory | 2 project derive nosuch other
2 project derive web 'No Such' | 2 project delete nosuch | 1 project delete web | 2 project wizard
2 project wizard --answers nosuch.yml | 2 project build nosuch | 2 project agents web nosuch
1 project init web elsewhere | 78 project show broken | 78 project show hollow | 2 config explain nosuch
2 config explain run.memry | 2 config schema nosuch | 2 config resolved nosuch | 78 config edit nosuch 1
2 config validate nosuch | 2 config resolved web --preset nosuch | 2 image build nosuch | 2 agents dir nosuch
2 agents set nosuch | 2 shield sets web --set nosuch | 2 shield profiles nosuch | 2 shield check example.org
1 shield status nosuch | 1 sandbox gate branches nosuch | 1 sandbox gate review web nosuch | 1 vault list
1 sandbox ssh list | 2 vault billing nosuch nosuch | 2 completions nosuch | 2 demo --agent nosuch
2 executor logs nosuch | 2 executor run nosuch . -p x | 2 --nosuch | 2 --json status
"""
"""The exit code, and what is typed."""
ROWS = [row.strip() for line in WRONG.splitlines() for row in line.split(" | ") if row.strip()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("terok", numbered=True)
    place.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEROK_ROOT", str(place))
        patch.setattr("terok.wire.client.start_controller", lambda: None)  # no process stays behind
        patch.setenv("TEROK_NO_INPUT", "1")
        patch.delenv("NOSUCH_HERE", raising=False)
        patch.chdir(place)
        populated.populate(place)
        (place / "config/projects/hollow").mkdir()
        (place / "config/projects/hollow/project.yml").write_text("git: [\n")
        yield place


@pytest.mark.parametrize("row", ROWS)
def test_an_error_is_one_line_and_a_hint(row: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, line = row.partition(" ")
    capfd.readouterr()
    got = main(shlex.split(line))
    out, err = capfd.readouterr()
    if line == "task":  # a group alone shows what there is
        assert (got, err) == (0, "")
        return
    assert got == int(code), err
    assert out == ""
    said = [row for row in err.splitlines() if not row.startswith("   ")]  # but for progress
    assert len(said) == 2, err
    assert re.fullmatch(r"terok: error: \S.{5,}", said[0])
    assert re.fullmatch(r"hint: \S.{5,}", said[1])
    assert "internal error" not in err


def test_there_are_enough_of_them() -> None:
    assert len(set(ROWS)) == len(ROWS) >= 100


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("taks", "terok task"),
        ("task lst", "terok task list"),
        ("task list --jsn", "terok task list --json"),
        ("logs", "terok task logs"),
        ("task run wep x", "web"),
        ("project show wbe", "web"),
        ("task show calm-oter", "calm-otter"),
        ("task run web x --agent claud", "claude"),
        ("config explain run.memry", "run.memory"),
        ("task run web x --preset log", "long"),
        ("task list s:don", "done"),
        ("completions bsh", "bash"),
    ],
)
def test_what_was_meant_is_named(line: str, meant: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert main(shlex.split(line)) == 2
    hint = capfd.readouterr().err.splitlines()[-1]
    assert hint.startswith("hint: did you mean") or "the nearest is" in hint
    assert meant in hint
