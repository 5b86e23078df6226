"""Write the JSON Schemas of roster files anew, and that of what verbs print with `--json`; made from the types in code.

    tools/run python tools/schemas.py DIRECTORY

A unit test compares the shipped ones with these.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import TypeAdapter
from terok.cli.documents import DOCUMENTS
from terok_executor.roster.validation import KINDS

_COMPLETED = {"name", "label", "binary", "git_identity", "help"}
"""Keys that a file leaves to its name."""


def schema_text(kind: str) -> str:
    """Return the JSON Schema of one kind of file, `agent`, `provider`, `tool` or `transcript`, as it is shipped."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(KINDS[f"{kind}s"]).json_schema(),
    }
    del schema["properties"]["name"]
    schema["required"] = [key for key in schema["required"] if key not in _COMPLETED]
    for name, key in (("MountSpec", "label"), ("GitIdentity", "name")):
        if name in schema.get("$defs", {}):
            schema["$defs"][name]["required"].remove(key)
    if help_ := schema["properties"].get("help", {}).get("$ref"):
        schema["properties"]["help"] = {"anyOf": [{"type": "string"}, {"$ref": help_}]}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def output_text() -> str:
    """Return the JSON Schemas of what verbs print with `--json`, by the verb, as `docs/reference` has them."""
    kinds = [(verb, "serialization", TypeAdapter(kind)) for verb, kind in DOCUMENTS.items()]
    made, shared = TypeAdapter.json_schemas(kinds)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "verbs": {verb: made[verb, "serialization"] for verb in DOCUMENTS},
        "$defs": shared["$defs"],
    }
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for kind in ("agent", "provider", "tool", "transcript"):
        Path(sys.argv[1], f"{kind}.schema.json").write_text(schema_text(kind), "utf-8")
    Path(sys.argv[1], "output.schema.json").write_text(output_text(), "utf-8")
