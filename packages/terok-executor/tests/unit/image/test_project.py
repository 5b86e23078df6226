from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RequestError
from terok_executor.image.project import project_tag, render_project
from terok_executor.image.storage import images_of


def test_the_lines_stand_between_parent_and_user() -> None:
    text = render_project("localhost/terok-l1-cli:a", "RUN true\nENV A=1\n\n").containerfile
    assert text == "FROM localhost/terok-l1-cli:a\nUSER root\nRUN true\nENV A=1\nUSER dev\n"


def test_another_line_or_parent_is_another_image() -> None:
    one, other = render_project("a", "RUN true"), render_project("a", "RUN false")
    assert one.content_hash("x") != other.content_hash("x")
    assert one.content_hash("x") != one.content_hash("y")
    assert project_tag("web", "localhost/terok-l1-cli:a-demo") == "localhost/terok-l2:web-a-demo"


@pytest.mark.parametrize(
    ("snippet", "line"),
    [
        ("FROM x", 1),
        ("RUN a\n  user nobody", 2),
        ("COPY a b", 1),
        ("ADD http://x /y", 1),
        ("# c \\\nONBUILD RUN x", 2),
        ("RUN a \\\n b\n\nCOPY --chown=1 a b", 4),
    ],
)
def test_lines_that_would_change_what_is_below_are_refused(snippet: str, line: int) -> None:
    with pytest.raises(RequestError, match=rf"^line {line} of the image snippet: [A-Z]+ cannot be used$"):
        render_project("a", snippet)


@pytest.mark.parametrize(
    "snippet",
    [
        "RUN python3 -c '\\\nfrom os import sep'",
        "# FROM x",
        "COPY --from=ghcr.io/a/b:1 /b /usr/bin/",
        "RUN \\\n# c\nuser x",
    ],
)
def test_words_inside_an_instruction_are_its_own(snippet: str) -> None:
    assert snippet in render_project("a", snippet).containerfile


@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    with suppress(RequestError):
        assert render_project("a", text).containerfile.startswith("FROM a\nUSER root\n")


def image(name: str, layers: list[str], size: int, tags: list[str], **labels: str) -> dict[str, Any]:
    named = {f"ai.terok.{key}": value for key, value in labels.items()}
    return {"Id": name, "Size": size, "RootFS": {"Layers": layers}, "RepoTags": tags, "Labels": named, "Created": "now"}


def test_an_image_owns_what_the_one_below_it_lacks() -> None:
    base = image("b", ["1"], 100, ["debian:trixie"])
    tools = image("t", ["1", "2"], 150, ["localhost/terok-l0:trixie"], content="x")
    project = image("p", ["1", "2", "3"], 170, ["localhost/terok-l2:w-d", "localhost/terok-l2:z"], content="y",
                    project="web/me", agents="demo")  # fmt: skip
    left = image("l", ["1", "9"], 130, [], content="z")
    rows = images_of([project, left, base, tools], ["p", "p", "b"])
    assert [(one.reference, one.kind, one.size, one.own_size, one.containers) for one in rows] == [
        ("localhost/terok-l0:trixie", "tools", 150, 50, 0),
        ("localhost/terok-l2:w-d", "project", 170, 20, 2),
        ("localhost/terok-l2:z", "project", 170, 0, 2),
        ("", "leftover", 130, 30, 0),
    ]
    assert (rows[1].project, rows[1].owner, rows[1].agents) == ("web", "me", ("demo",))
