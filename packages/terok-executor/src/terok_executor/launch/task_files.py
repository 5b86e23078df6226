"""The files of one task on the host: prompt, the agent's configuration, and the record of what was started."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from terok_util import ensure_dir, write_sensitive_file
from terok_util.values import lean_dataclass

from terok_executor.auth.patch import MAX_TEXT, patch_text
from terok_executor.errors import ConfigPatchError, RequestError
from terok_executor.launch.instructions import SubAgent
from terok_executor.paths import checked_container_name
from terok_executor.reading import load_value, read_text
from terok_executor.roster.template import fill

MAX_PROMPT_BYTES = 4 * 1024 * 1024
_PATCH_HINT = "`config_files` of the agent's YAML file names it"


@lean_dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of a launch, stored until its container is removed.

    `started` is RFC 3339 UTC, `timeout` seconds; `heads` are the gate's branches before the agent ran.
    `scope` is the mirror's name, empty where there is none. `continue_command` takes up the conversation.
    `resume_command` does so for a certain one: `{session}` in it stands for the id, which is `session` once known.
    `holds_work` says that the workspace is removed with the container; records of earlier versions lack it.
    """

    container: str
    agent: str
    provider: str
    repo: str
    scope: str
    branch: str
    image: str
    started: str
    timeout: int
    heads: dict[str, str]
    sealed: bool = False
    continue_command: Sequence[str] = ()
    holds_work: bool = False
    resume_command: Sequence[str] = ()
    session: str = ""
    unrestricted: bool = True


def checked_prompt(prompt: str) -> str:
    """Return the prompt; RequestError if it is empty or too large."""
    if not prompt.strip():
        raise RequestError("the prompt is empty", hint="say what to do: -p 'Fix the failing test'")
    if len(prompt.encode("utf-8", "surrogateescape")) > MAX_PROMPT_BYTES:
        raise RequestError(f"the prompt is larger than {MAX_PROMPT_BYTES} bytes", hint="put the material into a file")
    return prompt


@lean_dataclass(frozen=True, slots=True)
class AgentConfigSpec:
    """Content of a task's own directory, which is mounted at `/home/dev/.terok`, where the start script looks.

    `selected_agents` narrows the sub-agents by name (None: all of them). `provider`, `default_agent` and `mounts_base`
    change nothing: the files of an agent come from `assemble_container_env`.
    """

    tasks_root: Path
    task_id: str
    subagents: tuple[SubAgent | Mapping[str, Any], ...] = ()
    selected_agents: tuple[str, ...] | None = None
    prompt: str | None = None
    provider: str = ""
    instructions: str | None = None
    default_agent: str | None = None
    mounts_base: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "subagents", tuple(self.subagents))
        if self.selected_agents is not None:
            object.__setattr__(self, "selected_agents", tuple(self.selected_agents))


def prepare_agent_config_dir(spec: AgentConfigSpec) -> Path:
    """Write `prompt.txt`, `instructions.md` and `agents/NAME.md`, as far as there are any, 0600.

    Returns the directory, `<tasks_root>/<task_id>/home`. Raises RequestError for an empty or too large prompt.
    """
    directory = spec.tasks_root / checked_container_name(spec.task_id) / "home"
    ensure_dir(directory)
    subagents = [item if isinstance(item, SubAgent) else SubAgent.from_mapping(item) for item in spec.subagents]
    chosen = [item for item in subagents if spec.selected_agents is None or item.name in spec.selected_agents]
    texts = {directory / "agents" / f"{item.name}.md": item.text for item in chosen}
    if spec.instructions:
        texts[directory / "instructions.md"] = spec.instructions
    if spec.prompt is not None:
        texts[directory / "prompt.txt"] = checked_prompt(spec.prompt)
    write_config_files(texts)
    return directory


def prepare_task_dir(directory: Path, *, prompt: str | None, state_dirs: Iterable[str]) -> None:
    """Create the directories the container mounts and write the prompt, if there is one, 0600."""
    ensure_dir(directory)
    for name in state_dirs:
        ensure_dir(directory / "state" / name)
    prepare_agent_config_dir(AgentConfigSpec(tasks_root=directory.parent, task_id=directory.name, prompt=prompt))


def write_config_files(files: Mapping[Path, str]) -> None:
    """Write the agent's configuration files, 0600, into the directories the container mounts."""
    for path, text in files.items():
        ensure_dir(path.parent)
        write_sensitive_file(path, text.encode("utf-8", "surrogateescape"))


def save_record(directory: Path, record: RunRecord) -> None:
    """Write the record, outside of the directories that the container can write into."""
    write_sensitive_file(directory / "run.json", json.dumps(asdict(record), indent=1) + "\n")


def load_record(directory: Path) -> RunRecord | None:
    """Return the record of a task, or None if the directory has none; ExecutorError if it is damaged."""
    hint = f"`terok-executor rm {directory.name}` removes it"
    return load_value(RunRecord, directory / "run.json", what="the run record ", hint=hint)


@lean_dataclass(frozen=True, slots=True)
class ConfigPatch:
    """Keys to set in a file: in what is at `path` already, else in a copy of `source`, else in an empty one."""

    path: Path
    changes: Mapping[str, Any]
    source: str | None


def filled_tree(node: Any, values: Mapping[str, str]) -> Any:
    """Return the changes with their templates filled, without the keys whose whole text is left out."""
    if isinstance(node, str):
        return fill(node, values)
    if isinstance(node, list):
        return [filled_tree(item, values) for item in node]
    if not isinstance(node, Mapping):
        return node
    filled = {key: (filled_tree(item, values), item) for key, item in node.items()}
    return {key: value for key, (value, item) in filled.items() if value is not None or item is None}


def apply_patches(patches: Iterable[ConfigPatch]) -> None:
    """Write every file anew, 0600 and atomically; ConfigPatchError, naming the file, if one cannot be changed."""
    for patch in patches:
        text = patched(patch)
        ensure_dir(patch.path.parent)
        write_sensitive_file(patch.path, text)


def patched(patch: ConfigPatch) -> str:
    """Return what a file is to hold; ConfigPatchError as above."""
    origin = patch.path if patch.path.exists() else Path(patch.source).expanduser() if patch.source else None
    text = read_text(origin, MAX_TEXT, raises=ConfigPatchError, hint=_PATCH_HINT) if origin is not None else ""
    name = patch.path.name if origin is None or origin == patch.path else str(origin)
    suffixed = name if Path(name).suffix == patch.path.suffix else f"{name}{patch.path.suffix}"
    return patch_text(suffixed, text, patch.changes)
