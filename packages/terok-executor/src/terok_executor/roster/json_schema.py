"""JSON Schema of roster files, for editors; the shipped files are made from the models and checked against them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from terok_executor.paths import RESOURCES

if TYPE_CHECKING:
    from pydantic import BaseModel

KINDS = ("agent", "provider", "tool")


def schema_text(kind: str) -> str:
    """Return the JSON Schema of one kind of file, `agent`, `provider` or `tool`, as it is shipped."""
    from terok_executor.roster.schema import RawAgentYaml, RawProviderYaml, RawToolYaml

    models: dict[str, type[BaseModel]] = {"agent": RawAgentYaml, "provider": RawProviderYaml, "tool": RawToolYaml}
    model = models[kind]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def shipped_schema(kind: str) -> str:
    """Return the shipped JSON Schema."""
    return (RESOURCES / "schema" / f"{kind}.schema.json").read_text("utf-8")
