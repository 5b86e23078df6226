from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.errors import RequestError
from terok_executor.launch.instructions import MAX_BYTES, read_subagent

GOOD = "---\nname: reviewer\ndescription: Reviews\ntools: Read\n---\nLook closely.\n"


def test_a_definition_is_handed_on_whole(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text(GOOD)
    parsed = read_subagent(tmp_path / "x.md")
    assert (parsed.name, parsed.description, parsed.text) == ("reviewer", "Reviews", GOOD)
    (tmp_path / "plain.md").write_text("---\ndescription: d\n---\n")
    assert read_subagent(tmp_path / "plain.md").name == "plain"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no front matter", "no front matter"),
        ("---\nname: x\n---\n", "no description"),
        ("---\nname: ../x\ndescription: d\n---\n", "name has to be"),
        ("---\n- a list\n---\n", "no description"),
        ("---\na: [\n---\n", "x.md"),
        ("x" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_none(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.md").write_text(text)
    with pytest.raises(RequestError, match=reason):
        read_subagent(tmp_path / "x.md")
    with pytest.raises(RequestError, match="cannot be read"):
        read_subagent(tmp_path / "missing.md")
