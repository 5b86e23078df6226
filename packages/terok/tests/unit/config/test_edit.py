from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.config.edit import edit_file, edited, read_value
from terok_util import ConfigError, yaml

TEXT = """\
# Mine, all mine.
run:            # what a container gets
  memory:  4g   # enough?
  # cpus: 2
  env:
    A: '1'      # quoted
    B: "two"

  tools:
  - gh
  - glab
shield: {allow: [a.example, b.example]}   # in brackets

agent:
"""


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("run.memory", "8g", "  memory:  4g   # enough?\n", "  memory: 8g   # enough?\n"),
        ("run.memory", None, "  memory:  4g   # enough?\n", ""),
        ("run.tools", ["x"], "  tools:\n  - gh\n  - glab\n", "  tools:\n    - x\n"),
        ("run.env.A", "2", "    A: '1'      # quoted\n", "    A: '2'\n"),
        ("run.env", None, "  env:\n    A: '1'      # quoted\n    B: \"two\"\n", ""),
        ("run.env.C", "x: y", '    B: "two"\n', "    B: \"two\"\n    C: 'x: y'\n"),
        ("run.cpus", 2.5, "  - glab\n", "  - glab\n  cpus: 2.5\n"),
        ("agent.model", "opus", "agent:\n", "agent:\n  model: opus\n"),
        ("hooks.pre_start", "true", "agent:\n", "agent:\nhooks:\n  pre_start: 'true'\n"),
        ("budget.task.tokens", 3, "agent:\n", "agent:\nbudget:\n  task:\n    tokens: 3\n"),
    ],
)
def test_only_the_key_changes(key: str, value: Any, before: str, after: str) -> None:
    assert TEXT.count(before) == 1
    assert edited(TEXT, key.split("."), value) == TEXT.replace(before, after)


def test_an_edit_undone_is_the_old_text() -> None:
    more = edited(TEXT, ["run", "cpus"], 2)
    assert edited(more, ["run", "cpus"], None) == TEXT


def test_a_section_that_becomes_empty_goes_but_not_its_comments() -> None:
    assert edited("a: {}\nrun:\n  cpus: 2\nb: 1\n", ["run", "cpus"], None) == "a: {}\nb: 1\n"
    assert edited("run:\n  # mine\n  cpus: 2\n", ["run", "cpus"], None) == "run:\n  # mine\n"
    assert edited("run:\n  cpus: 2\n", ["run", "cpus"], None) == ""
    assert edited("", ["run", "cpus"], 2) == "run:\n  cpus: 2\n"
    assert edited("# nothing yet", ["run", "cpus"], 2) == "# nothing yet\nrun:\n  cpus: 2\n"


def test_a_section_in_brackets_keeps_what_it_says_and_all_comments() -> None:
    text = edited(TEXT, ["shield", "allow"], ["c.example"])
    assert yaml.plain(yaml.load(text))["shield"] == {"allow": ["c.example"]}
    assert [line for line in TEXT.splitlines() if "#" in line and line.partition("#")[2] not in text] == []


_KEYS = st.sampled_from(["a", "b", "c"])
_LEAVES = st.integers(0, 9) | st.sampled_from(["x", "yes", "1", "a: b", "# no", "", "'", "line\nline", "- d"])
_DOCUMENTS = st.dictionaries(_KEYS, st.dictionaries(_KEYS, _LEAVES | st.lists(_LEAVES, min_size=1), min_size=1))


@given(_DOCUMENTS, _KEYS, _KEYS, _LEAVES | st.none() | st.lists(_LEAVES, min_size=1), st.booleans())
def test_the_result_says_the_change_and_nothing_else(
    data: dict[str, Any], section: str, key: str, value: Any, commented: bool
) -> None:
    text = yaml.dump(data) if data else ""
    if commented:
        text = "".join(f"{line}\n# {number}\n" for number, line in enumerate(text.splitlines())) or "# 0\n"
        if yaml.plain(yaml.load(text) or {}) != data:  # a comment between the lines of a text belongs to the text
            return
    wanted = {**data, section: {**data.get(section, {}), key: value}}
    if value is None:
        del wanted[section][key]
    result = edited(text, [section, key], value)
    kept = {name: keys for name, keys in (yaml.plain(yaml.load(result)) or {}).items() if keys}
    assert kept == {name: keys for name, keys in wanted.items() if keys}
    if commented and section not in data:
        assert [line for line in text.splitlines() if line not in result.splitlines()] == []


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    return tmp_path / "new" / "config.yml"


def fine(before: bytes, after: bytes) -> None:
    assert before != after


def refuse(before: bytes, after: bytes) -> None:
    raise ConfigError(after.decode())


def test_a_file_is_written_only_if_it_is_right(own: Path) -> None:
    with pytest.raises(ConfigError, match="cpus: 2"):
        edit_file(own, "run.cpus", 2, refuse)
    assert not own.exists()
    assert edit_file(own, "run.cpus", 2, fine)
    assert not edit_file(own, "run.cpus", 2, refuse)
    assert (own.read_text(), own.stat().st_mode & 0o777) == ("run:\n  cpus: 2\n", 0o600)
    own.chmod(0o640)
    own.write_text("run: 3\n")
    with pytest.raises(ConfigError, match="run is not a section"):
        edit_file(own, "run.cpus", 2, fine)
    own.write_text("run: {}\n")
    assert edit_file(own, "run.cpus", 2, fine)
    assert (own.read_text(), own.stat().st_mode & 0o777) == ("run:\n  cpus: 2\n", 0o640)


def test_a_link_to_a_file_kept_elsewhere_stays_one(own: Path) -> None:
    kept = own.parent.parent / "dotfiles.yml"
    kept.write_text("# mine\n")
    own.parent.mkdir()
    own.symlink_to(kept)
    assert edit_file(own, "run.cpus", 2, fine)
    assert own.is_symlink()
    assert kept.read_text() == "# mine\nrun:\n  cpus: 2\n"


def test_two_programs_that_edit_at_once_lose_nothing(own: Path) -> None:
    keys = [f"run.k{number}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda key: edit_file(own, key, 1, fine), keys))
    assert own.read_text().count(": 1") == len(keys)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("4g", "4g"), ("yes", "yes"), ("true", True), ("[a, b]", ["a", "b"]), ("a: [", "a: ["), ("", None)],
)
def test_values_are_read_as_yaml(text: str, value: Any) -> None:
    assert read_value(text) == value
