"""Turns a validated roster file into the frozen value the rest of the executor uses."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import BaseModel

from terok_executor.roster import schema, types

_FROZEN: dict[type[BaseModel], Any] = {
    schema.RawAgentFile: types.AgentFile,
    schema.RawAgentYaml: types.Agent,
    schema.RawAuthHeader: types.AuthHeader,
    schema.RawAutoApprove: types.AutoApproveSpec,
    schema.RawBinding: types.ProviderBinding,
    schema.RawConfigFile: types.ConfigFile,
    schema.RawCredentialFile: types.CredentialFile,
    schema.RawGitIdentity: types.GitIdentity,
    schema.RawHeadless: types.HeadlessSpec,
    schema.RawInstall: types.InstallSpec,
    schema.RawLogin: types.LoginSpec,
    schema.RawMount: types.MountSpec,
    schema.RawNpmStage: types.NpmStage,
    schema.RawOAuthRefresh: types.RefreshSpec,
    schema.RawPipStage: types.PipStage,
    schema.RawDownload: types.DownloadStage,
    schema.RawProviderYaml: types.Provider,
    schema.RawSession: types.SessionSpec,
    schema.RawStagedFile: types.StagedFile,
    schema.RawTokenShape: types.PhantomShape,
    schema.RawToolYaml: types.Tool,
    schema.RawWeb: types.WebSpec,
}
_TREES = ("patch", "phantom")
"""Fields whose value is anybody's: they stay as they are."""


def from_raw(name: str, raw: BaseModel) -> Any:
    """Return the agent, tool or provider that a file describes, with what the file leaves to its name filled in."""
    return _frozen(raw, name)


def _frozen(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item, name) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item, name) for key, item in value.items()}
    if not isinstance(value, BaseModel):
        return value
    kind = _FROZEN.get(type(value))
    if kind is None:
        return value.model_dump()
    known = {key: getattr(value, key) for key in _TREES if hasattr(value, key)} | _from_name(value, name)
    names = [one.name for one in fields(kind) if one.name in known or hasattr(value, one.name)]
    return kind(**{key: known[key] if key in known else _frozen(getattr(value, key), name) for key in names})


def _from_name(value: BaseModel, name: str) -> dict[str, Any]:
    """Return the fields that follow from the file's name or from another field."""
    if isinstance(value, schema.RawMount):
        return {"label": value.label or name}
    if isinstance(value, schema.RawGitIdentity):
        return {"name": value.name or name.capitalize()}
    if isinstance(value, schema.RawAuthHeader) and value.prefix is None:
        return {"prefix": "Bearer " if value.header.lower() == "authorization" else ""}
    if isinstance(value, schema.RawProviderYaml):
        return {"name": name, "label": value.label or name}
    if isinstance(value, schema.RawAgentYaml | schema.RawToolYaml):
        section = "agent" if isinstance(value, schema.RawAgentYaml) else "dev_tool"
        text = types.HelpSpec(value.help.text, value.help.section or section)
        return {"name": name, "label": value.label or name, "binary": value.binary or name, "help": text}
    return {}
