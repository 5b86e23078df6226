from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from terok.config.owners import HOST
from terok.config.sections import PRESET_SECTIONS
from terok.integrations.sandbox import SandboxConfigView
from terok.model.task import Task
from terok.services.hooks import INHERITED, hook_environment
from terok_util import PRODUCT_KEYS, SECTIONS

ROOT = Path(__file__).parents[5]
REFERENCE = ROOT / "docs" / "reference"
TOOL = runpy.run_path(str(ROOT / "tools" / "config_reference.py"))


@pytest.mark.parametrize("name", TOOL["FILES"])
def test_the_shipped_schema_is_the_models(name: str) -> None:
    assert (REFERENCE / name).read_text() == TOOL["schema_text"](name), "write it anew with `tools/config_reference.py`"


def test_the_page_lists_every_key_as_it_is() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    assert page == TOOL["with_keys"](page), "write it anew with `tools/config_reference.py`"


def test_the_page_tells_what_a_hook_and_a_preset_get() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    task = Task("k7xm2abc", "web", "calm-otter", "demo", "headless", 1.0)
    own = {name for name in hook_environment(task, "post_stop") if name.startswith("TEROK_")}
    assert [name for name in {*INHERITED, *own} if f"`{name}`" not in page] == []
    presets = page.partition("A preset may have the sections")[2].partition(".")[0]
    assert {word.strip("`,") for word in presets.split() if word.startswith("`")} == PRESET_SECTIONS


def leaves(schema: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for name, node in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        found |= leaves(node, place) if node.get("properties") else {place}
    return found


@pytest.mark.parametrize("name", TOOL["FILES"])
def test_the_schema_has_every_key_and_no_other(name: str) -> None:
    assert leaves(json.loads(TOOL["schema_text"](name))) == set(TOOL["FILES"][name].keys)


def test_the_wheels_below_know_which_sections_and_keys_are_not_theirs() -> None:
    product = HOST._product_keys
    lower = {*SandboxConfigView.model_fields, "image"}
    assert {*product, *lower} == SECTIONS
    assert {section: keys for section, keys in product.items() if section in lower} == PRODUCT_KEYS
