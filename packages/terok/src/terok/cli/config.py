"""`terok config`: handlers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from terok_util import namespace_config_dir, namespace_state_dir, show, system_config_dir, table

from terok.config.explanation import Setting, explain, settings_of
from terok.config.layers import user_file

VARIABLES = (
    *("TEROK_ROOT", "TEROK_VAULT_DIR", "TEROK_SANDBOX_STATE_DIR", "TEROK_SANDBOX_RUNTIME_DIR"),
    *("TEROK_EXECUTOR_STATE_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
)
"""Variables that move files or directories."""


def paths(as_json: bool) -> int:
    """Print where things are, whether they are there, and the variables that move them."""
    from terok.integrations.sandbox import SandboxConfig
    from terok.paths import database_path, projects_dir, tasks_dir, trash_dir

    sandbox = SandboxConfig()
    places = {
        "system configuration": system_config_dir() / "config.yml",
        "system projects": system_config_dir() / "projects",
        "configuration": user_file(),
        "projects": projects_dir(),
        "own agents": namespace_config_dir() / "agents",
        "own providers": namespace_config_dir() / "providers",
        "own profiles": namespace_config_dir() / "shield" / "profiles",
        "database": database_path(),
        "tasks": tasks_dir(),
        "trash": trash_dir(),
        "shared directories": namespace_state_dir("shared"),
        "vault": sandbox.vault_dir,
        "mirrors": sandbox.gate_base_path,
        "sandbox state": sandbox.state_dir,
        "sockets": sandbox.runtime_dir,
        "cache": namespace_state_dir("cache"),
    }
    rows = [{"what": what, "path": str(path), "exists": path.exists()} for what, path in places.items()]
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    lines = [f"{row['what']:<22}{row['path']}{'' if row['exists'] else '  (not there)'}" for row in rows]
    lines += [f"{name} is set to {value}" for name, value in variables.items()]
    show({"paths": rows, "variables": variables}, as_json, lines)
    return 0


def resolved(project: str | None, preset: str | None, everything: bool, as_json: bool) -> int:
    """Print the settings that hold, each with its origin."""
    settings = settings_of(project, preset=preset)
    chosen = [one for one in settings.values() if everything or one.layers or as_json]
    cells = [(one.key, _value(one.value), _origin(one)) for one in chosen]
    none = "nothing is set; --all lists the defaults"
    show([_row(one) for one in chosen], as_json, table(("KEY", "VALUE", "SET IN"), cells) if cells else none)
    return 0


def explain_key(key: str, project: str | None, preset: str | None, as_json: bool) -> int:
    """Print a key, or a section's, with every layer that sets it."""
    found = explain(key, project, preset=preset)
    rows = [_row(one) | {"layers": [layer_row(layer) for layer in one.layers]} for one in found]
    show(rows, as_json, (line for one in found for line in _explanation(one)))
    return 0


def layer_row(layer: Any) -> dict[str, Any]:
    """Return a value in one layer as JSON values."""
    return {"level": layer.level, "value": layer.value, "file": layer.file or None, "line": layer.line or None}


def _explanation(setting: Setting) -> Iterator[str]:
    yield f"{setting.key} = {_value(setting.value)}  ({_origin(setting)})"
    yield f"  {setting.help}"
    yield f"  {setting.kind}; default {_value(setting.default)}"
    for layer in reversed(setting.layers[:-1] if len(setting.layers) > 1 else ()):
        yield f"  hides {_value(layer.value)}  ({layer.level}: {layer.place})"


def _row(setting: Setting) -> dict[str, Any]:
    top = setting.layers[-1] if setting.layers else None
    return {
        "key": setting.key,
        "value": setting.value,
        "level": top.level if top else "default",
        "file": (top.file or None) if top else None,
        "line": (top.line or None) if top else None,
        "kind": setting.kind,
        "default": setting.default,
        "help": setting.help,
    }


def _origin(setting: Setting) -> str:
    top = setting.layers[-1] if setting.layers else None
    return "default" if top is None else f"{top.level}: {top.place}" if top.file else top.level


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value is not None else "-"


def schema(kind: str, as_json: bool) -> int:
    """Print the keys of a file, or its JSON Schema."""
    from terok.config.owners import HOST, PROJECT
    from terok.config.schema import json_schema

    owners = HOST if kind == "global" else PROJECT
    cells = ((key.path, key.kind, _value(key.default), key.help) for key in owners.keys.values())
    show(json_schema(owners) if as_json else None, as_json, table(("KEY", "VALUE", "DEFAULT", "WHAT IT IS FOR"), cells))
    return 0


def validate(projects: list[str], as_json: bool) -> int:
    """Print everything that is wrong; 1 if anything is."""
    from terok.config.checkup import problems_of_files

    found = problems_of_files(projects)
    lines: Iterable[str] = [f"{one.message}{f'  ({one.hint})' if one.hint else ''}" for one in found]
    rows = [
        {"file": one.file, "line": one.line, "key": one.key, "message": one.message, "hint": one.hint} for one in found
    ]
    show(rows, as_json, lines or "nothing is wrong")
    return 1 if found else 0
