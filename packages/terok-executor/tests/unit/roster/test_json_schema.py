from __future__ import annotations

import json

import pytest
from terok_executor.roster.loader import shipped_schema
from terok_executor.roster.validation import schema_text


@pytest.mark.parametrize("kind", ["agent", "provider", "tool"])
def test_the_shipped_schema_is_the_models(kind: str) -> None:
    assert shipped_schema(kind) == schema_text(kind), "write it anew with `terok-executor agents schema`"
    schema = json.loads(shipped_schema(kind))
    assert schema["additionalProperties"] is False
    assert "install" in schema["properties"] or "upstream" in schema["properties"]
