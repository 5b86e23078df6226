"""Write the JSON Schemas of `config.yml` and `project.yml`, and the table of their keys, anew.

    tools/run python tools/config_reference.py docs/reference

A unit test compares the files there with these.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terok.config.owners import HOST, PROJECT, Key
from terok.config.schema import json_schema

BEGIN, END = "<!-- keys: written by tools/config_reference.py -->", "<!-- end of keys -->"
FILES = {"config.schema.json": HOST, "project.schema.json": PROJECT}


def schema_text(name: str) -> str:
    """Return the JSON Schema of one kind of file as it is shipped."""
    return json.dumps(json_schema(FILES[name]), indent=1) + "\n"


def with_keys(page: str) -> str:
    """Return the reference page with a new table of all keys."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return a table for every section."""
    keys = {**HOST.keys, **PROJECT.keys}
    sections = sorted({path.partition(".")[0] for path in keys})
    return "\n".join(_table(section, keys) for section in sections)


def _table(section: str, keys: Mapping[str, Key]) -> str:
    lines = [f"### {section}", "", "| key | value | default | in | |", "|---|---|---|---|---|"]
    for path in sorted(path for path in keys if path.partition(".")[0] == section):
        key = keys[path]
        both = path in HOST.keys and path in PROJECT.keys
        where = "both" if both else f"`{HOST.file if path in HOST.keys else PROJECT.file}`"
        lines.append(f"| `{path}` | {key.kind} | {_shown(key.default)} | {where} | {key.help} |")
    return "\n".join([*lines, ""])


def _shown(value: Any) -> str:
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    for name in FILES:
        (directory / name).write_text(schema_text(name), "utf-8")
    page = directory / "configuration.md"
    page.write_text(with_keys(page.read_text("utf-8")), "utf-8")
