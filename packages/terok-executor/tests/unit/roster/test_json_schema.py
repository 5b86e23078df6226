from __future__ import annotations

import json

import pytest
from terok_executor.roster.json_schema import KINDS, schema_text, shipped_schema


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_the_models(kind: str) -> None:
    assert shipped_schema(kind) == schema_text(kind), "write it anew with `terok-executor agents schema`"
    schema = json.loads(shipped_schema(kind))
    assert schema["additionalProperties"] is False
    assert "install" in schema["properties"] or "upstream" in schema["properties"]
