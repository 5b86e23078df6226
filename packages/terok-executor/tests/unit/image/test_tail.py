from __future__ import annotations

import pytest
from terok_executor.image.tail import LineTail, progress_line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("--> 82f8a991962", None),
        ("--> Using cache 82f8", None),
        ("a" * 64, None),
        ("[1/3] COMMIT localhost/x", None),
        ("STEP 2/7: USER root", "STEP 2/7: USER root"),
        ("STEP 3/7: RUN set -eu;     apt-get update", "STEP 3/7: RUN apt-get update"),
        ("E: Unable to locate package", "E: Unable to locate package"),
    ],
)
def test_what_is_shown_of_a_build(line: str, shown: str | None) -> None:
    assert progress_line(line) == shown


def test_long_steps_are_cut() -> None:
    assert len(progress_line("STEP 1/1: RUN " + "x" * 500) or "") == 100


def test_control_characters_do_not_reach_the_terminal_and_the_reason_is_found() -> None:
    shown: list[str] = []
    tail = LineTail(shown.append)
    for line in ("\x1b[2Jwork", "", "npm error 404 Not Found", "exit status 1"):
        tail(line)
    assert "\x1b" not in "".join(shown)
    assert "npm error 404" in tail.failure("x", hint="y").message
    tail('Error: building at STEP "RUN false": while running runtime: exit status 1')
    assert "npm error 404" in tail.failure("x", hint="y").message, "what the step itself said"
    for line in (
        "E: Release file is expired",
        "E: apt-get update --error-on=any failed",
        "E: mmdebstrap failed to run",
    ):
        tail(line)
    assert "is expired" in tail.failure("x", hint="y").message
    tail("write: No space left on device")
    assert tail.failure("x", hint="y").message == "x: the disk is full"
