from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from terok_executor.roster.loader import shipped_schema

schema_text = runpy.run_path(str(Path(__file__).parents[5] / "tools" / "schemas.py"))["schema_text"]


@pytest.mark.parametrize("kind", ["agent", "provider", "tool", "transcript"])
def test_the_shipped_schema_is_the_models(kind: str) -> None:
    assert shipped_schema(kind) == schema_text(kind), "write it anew with `tools/schemas.py`"
    schema = json.loads(shipped_schema(kind))
    assert schema["additionalProperties"] is False
    assert {"install", "upstream", "events"} & schema["properties"].keys()
