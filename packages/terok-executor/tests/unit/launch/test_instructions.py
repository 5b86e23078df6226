from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.errors import RequestError
from terok_executor.launch.instructions import (
    MAX_BYTES,
    bundled_default_instructions,
    instructions_for,
    read_instructions,
)

OURS = bundled_default_instructions().strip()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, OURS),
        ("mine", "mine"),
        (["_inherit", "mine"], f"{OURS}\n\nmine"),
        (["a", "_inherit"], f"a\n\n{OURS}"),
        ({"claude": "c", "_default": "d"}, "c"),
        ({"_default": ["d", "e"]}, "d\n\ne"),
        ({"codex": "x"}, OURS),
        ({"claude": None, "_default": "d"}, ""),
        ("", ""),
    ],
)
def test_what_an_agent_is_told(value: object, expected: str) -> None:
    assert instructions_for(value, "claude").strip() == expected  # type: ignore[arg-type]


def test_a_project_s_text_follows() -> None:
    assert instructions_for("mine", "x", appended="project\n") == "mine\n\nproject\n"


@pytest.mark.parametrize("value", [[1], {"_default": [None]}, "x" * (MAX_BYTES + 1)])
def test_what_is_refused(value: object) -> None:
    with pytest.raises(RequestError):
        instructions_for(value, "x")  # type: ignore[arg-type]


def test_a_file_is_read_whole_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("é")
    assert read_instructions(tmp_path / "a") == "é"
    (tmp_path / "b").write_bytes(b"\xff")
    (tmp_path / "c").write_bytes(b"x" * (MAX_BYTES + 1))
    for name in ("b", "c", "none"):
        with pytest.raises(RequestError):
            read_instructions(tmp_path / name)
