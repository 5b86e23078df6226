from __future__ import annotations

import json

from terok.demo.checks import Check
from terok.demo.report import WIDTH, as_json, transcript

LONG = "x" * 150 + " " + "word " * 40
CHECKS = [
    Check("user", held=True, measured="uid 1000", expected="uid 1000", details=("+    indented line", LONG)),
    Check("real key inside", held=False, measured=LONG, expected="nowhere"),
]


def test_the_transcript_fits_and_names_what_failed() -> None:
    lines = list(transcript(CHECKS))
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "  ok    user                uid 1000"
    assert any(line.startswith("FAILED  real key inside") for line in lines)
    assert any(line.strip() == "expected: nowhere" for line in lines)
    assert "          +    indented line" in lines
    assert lines[-1] == "1 of 2 checks held"
    assert "\x1b" not in "".join(lines)


def test_color_is_only_added() -> None:
    plain, colored = "\n".join(transcript(CHECKS)), "\n".join(transcript(CHECKS, color=True))
    assert "\x1b[" in colored
    for code in ("\x1b[32m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m"):
        colored = colored.replace(code, "")
    assert colored == plain


def test_json_says_whether_all_held() -> None:
    facts = json.loads(json.dumps(as_json(CHECKS, agent="demo")))
    assert (facts["held"], facts["agent"], [check["held"] for check in facts["checks"]]) == (
        False,
        "demo",
        [True, False],
    )
