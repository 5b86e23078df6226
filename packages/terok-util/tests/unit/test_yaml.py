from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_util import TerokError, YAMLError, yaml

TEXT = """\
# who may talk to whom
shield:
  allow:   # one per line
    - "example.org"  # quoted
    - 'b.example'
  mode: filter

image: {base: trixie}
"""

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def test_comments_quotes_and_order_survive_an_edit() -> None:
    document = yaml.load(TEXT)
    document["shield"]["mode"] = "airlock"
    document["shield"]["allow"].append("c.example")
    edited = yaml.dump(document)
    for piece in ("# who may", "# one per line", '"example.org"  # quoted', "'b.example'", "{base: trixie}"):
        assert piece in edited
    assert "    - c.example\n" in edited
    assert edited.replace("airlock", "filter").replace("    - c.example\n", "") == TEXT


@given(documents)
def test_values_survive(document: Any) -> None:
    assert yaml.plain(yaml.load(yaml.dump(document))) == document


@given(st.text() | st.text(alphabet="{}[]:-&*!|>'\"#%@`, \n\tab0.~?"))
def test_anything_else_is_our_error(text: str) -> None:
    try:
        document = yaml.load(text, name="hostile.yml")
        yaml.lines(document)
        yaml.plain(document)
    except YAMLError as error:
        assert error.message.startswith(("hostile.yml", "<text>"))


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: [1,\n", 3), ("a: 1\na: 2\n", 2), ("a: b: c\n", 1), ("x: *nowhere\n", 1), ("a:\n\t- b\n", 2)],
)
def test_error_names_file_and_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(text)
    with pytest.raises(YAMLError) as caught:
        yaml.load(path)
    assert caught.value.line == line
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert isinstance(caught.value, TerokError)


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 8))
    with pytest.raises(YAMLError, match="more than"):
        yaml.plain(yaml.load(bomb))
    yaml.lines(yaml.load(bomb))
    for deep in ("[" * 400_000, "- " * 200_000, "{a: " * 100_000):
        with pytest.raises(YAMLError, match="nested"):
            yaml.load(deep)
    monkeypatch.setattr(yaml, "MAX_TEXT", 10)
    with pytest.raises(YAMLError, match="more than 10 characters"):
        yaml.load("x" * 11)


def test_tags_build_nothing() -> None:
    assert "pwned" not in yaml.dump(yaml.load("!!python/object/apply:os.getcwd []"))


def test_lines_and_plain_types(tmp_path: Path) -> None:
    document = yaml.load(TEXT)
    assert yaml.lines(document)["shield", "allow", 1] == 5
    assert yaml.lines(document)["image", "base"] == 8
    plain = yaml.plain(yaml.load("a: 'q'\nb: 1.50\nc: 0x1F\nd: &x true\ne: *x\n"))
    assert plain == {"a": "q", "b": 1.5, "c": 31, "d": True, "e": True}
    assert [type(value) for value in plain.values()] == [str, float, int, bool, bool]
    assert yaml.load("") is None
    with pytest.raises(YAMLError, match="cannot be read"):
        yaml.load(tmp_path / "absent")
    (tmp_path / "latin").write_bytes(b"a: \xff")
    with pytest.raises(YAMLError, match="not UTF-8"):
        yaml.load(tmp_path / "latin")
    with pytest.raises(YAMLError, match="cannot be written"):
        yaml.dump(object())
