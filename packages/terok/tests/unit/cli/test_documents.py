from __future__ import annotations

from pathlib import Path

from schemas import output_text
from terok.cli.documents import DOCUMENTS
from terok.cli.tree import COMMANDS

PUBLISHED = Path(__file__).parents[5] / "docs/reference/output.schema.json"


def test_the_published_schema_is_that_of_the_code() -> None:
    assert PUBLISHED.read_text() == output_text(), "tools/run python tools/schemas.py docs/reference writes it"


def test_every_verb_of_ours_that_prints_json_has_a_document() -> None:
    lines = {"task logs", "task audit"}  # a JSON object a line
    gates = {"promote"}  # the gate's own
    ours = {
        " ".join(path)
        for path, node in COMMANDS.walk()
        if path[0] in ("task", "op", "undo", "review", "promote", "reject")
        and any(option.name == "--json" for option in node.args)
    }
    known = {" ".join(word for word in verb.split() if not word.startswith("--")) for verb in DOCUMENTS}
    known = {"task run" if verb == "task run web" else verb for verb in known}
    assert ours - lines - gates == known
