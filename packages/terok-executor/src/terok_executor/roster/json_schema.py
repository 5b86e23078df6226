"""JSON Schema of roster files, for editors; the shipped files are checked against the dataclasses."""

from __future__ import annotations

import json

from terok_executor.paths import RESOURCES

KINDS = ("agent", "provider", "tool")
_COMPLETED = {"name", "label", "binary", "git_identity", "help"}


def schema_text(kind: str) -> str:
    """Return the JSON Schema of one kind of file, `agent`, `provider` or `tool`, as it is shipped."""
    from pydantic import TypeAdapter

    from terok_executor.roster.validation import KINDS as MODELS

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(MODELS[f"{kind}s"]).json_schema(),
    }
    # A file leaves these to its name, see `roster.validation`.
    del schema["properties"]["name"]
    schema["required"] = [key for key in schema["required"] if key not in _COMPLETED]
    for name, key in (("MountSpec", "label"), ("GitIdentity", "name")):
        if name in schema.get("$defs", {}):
            schema["$defs"][name]["required"].remove(key)
    if help_ := schema["properties"].get("help", {}).get("$ref"):
        schema["properties"]["help"] = {"anyOf": [{"type": "string"}, {"$ref": help_}]}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def shipped_schema(kind: str) -> str:
    """Return the shipped JSON Schema."""
    return (RESOURCES / "schema" / f"{kind}.schema.json").read_text("utf-8")
