"""A new task as a form: what is to be done, where, by whom and in which mode. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from terok.tui.views.form import Field

BY_PROMPT: Final = "by the prompt"
MODES: Final = (BY_PROMPT, "headless", "interactive", "web")


class Choices(NamedTuple):
    """Everything that a task can be made of: projects, each with its presets, and agents."""

    presets: Mapping[str, tuple[str, ...]]
    agents: tuple[str, ...] = ()


class Wish(NamedTuple):
    """A task that is asked for, as the program's `create_task` takes it."""

    project: str
    prompt: str
    options: dict[str, Any]


def new_fields(given: Mapping[str, str], choices: Choices | None) -> list[Field]:
    """Return the fields; without `choices` these are still being read."""
    project = given.get("project", "")
    known = () if choices is None else tuple(choices.presets)
    presets = () if choices is None else choices.presets.get(project, ())
    agents = () if choices is None else choices.agents
    mode = given.get("mode", BY_PROMPT)
    prompt = given.get("prompt", "")
    fields = [
        Field("prompt", "prompt", prompt, "What is to be done? Nothing for a terminal with the agent, or a page."),
        Field("project", "project", project, "The project that it is for.", known, _project(project, choices)),
        Field("mode", "mode", mode, _MODE_HELP, MODES, _mode(mode, prompt), _shown_mode(mode, prompt)),
        Field("agent", "agent", given.get("agent", ""), "An agent instead of the project's.", ("", *agents)),
        Field("model", "model", given.get("model", ""), "A model instead of the agent's own."),
        Field("preset", "preset", given.get("preset", ""), "A preset of the project.", ("", *presets)),
        Field("name", "name", given.get("name", ""), "A name instead of one that is made up."),
    ]
    return [field for field in fields if field.key != "preset" or presets]


_MODE_HELP: Final = "headless works by itself; interactive waits in a terminal; web serves a page."


def wish(fields: list[Field]) -> Wish:
    """Return what is asked for by fields without a problem."""
    value = {field.key: field.value for field in fields}
    overrides = {f"agent.{key}": value[key] for key in ("agent", "model") if value.get(key)}
    if "agent.agent" in overrides:
        overrides["agent.name"] = overrides.pop("agent.agent")
    options: dict[str, Any] = {"mode": value["mode"]} if value["mode"] != BY_PROMPT else {}
    options |= {key: value[key] for key in ("preset", "name") if value.get(key)}
    return Wish(value["project"], value["prompt"], {**options, **({"overrides": overrides} if overrides else {})})


def _project(name: str, choices: Choices | None) -> str:
    if choices is None:
        return ""
    if not choices.presets:
        return "there is no project yet: p, then a makes one"
    return "" if name in choices.presets else "choose a project"


def _mode(mode: str, prompt: str) -> str:
    if mode == "headless" and not prompt.strip():
        return "it needs a prompt"
    return "a prompt means nothing in it" if mode in ("interactive", "web") and prompt.strip() else ""


def _shown_mode(mode: str, prompt: str) -> str:
    if mode != BY_PROMPT:
        return mode
    return "headless: it works by itself" if prompt.strip() else "interactive: its agent waits in a terminal"
