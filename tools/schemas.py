"""JSON Schemas: of roster files, made from the roster's dataclasses, and of what commands print (`tools/outputs.py`).

    tools/run python tools/schemas.py DIRECTORY     writes those of roster files
    tools/run python tools/reference.py             writes those of commands, with everything else of the reference

Unit tests compare the shipped ones with these.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import TypeAdapter
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
    if acp := schema["properties"].get("acp"):
        acp["anyOf"].insert(0, {"type": "array", "items": {"type": "string"}, "minItems": 1})
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def output_files() -> dict[str, str]:
    """Return the published schemas of what commands print, by the name of their file."""
    from outputs import OUTPUTS, document, file_name  # imports every wheel

    return {file_name(path): json.dumps(document(path), indent=1) + "\n" for path in OUTPUTS}


if __name__ == "__main__":
    for kind in ("agent", "provider", "tool", "transcript"):
        Path(sys.argv[1], f"{kind}.schema.json").write_text(schema_text(kind), "utf-8")
