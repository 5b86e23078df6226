"""Models, modes and options of a session, as an editor sees them and as its backend does.

An editor sees one select of category `model` over all agents, with values `agent:model`; every other option is the
backend's own, with its own ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from terok_acp.protocol.frames import Frame
from terok_acp.protocol.shapes import MODES, OPTION, REFUSED, Many, Refused, salvage

MODEL_OPTION: Final = "model"
"""Id of our select of models."""
DEFAULT_MODEL: Final = "default"
"""Stands for the one model of an agent that lists none."""

_OPTIONS: Final = Many(OPTION)


class Model(NamedTuple):
    """One model of an agent; `id` is the agent's own."""

    id: str
    name: str
    description: str = ""


class Models(NamedTuple):
    """The models of an agent, which one is set, and by what it is changed: an option's id, or `session/set_model`."""

    models: tuple[Model, ...]
    current: str | None
    option: str | None


class AgentModels(NamedTuple):
    """An agent and its models, for the select."""

    agent: str
    label: str
    models: tuple[Model, ...]


def models_of(state: Mapping[str, Any]) -> Models:
    """Read the models off what a backend says of a session: its options, or `models` of old."""
    for option in options_of(state):
        if is_model_option(option):
            models = tuple(
                Model(entry["value"], _text(entry.get("name"), entry["value"]), _text(entry.get("description")))
                for entry in _entries(option)
            )
            return Models(models, _text(option.get("currentValue")) or None, option["id"])
    old = state.get("models")
    if type(old) is not dict:
        return Models((), None, None)
    listed = old.get("availableModels")
    models = tuple(
        Model(entry["modelId"], _text(entry.get("name"), entry["modelId"]), _text(entry.get("description")))
        for entry in (listed if type(listed) is list else ())
        if type(entry) is dict and type(entry.get("modelId")) is str
    )
    return Models(models, _text(old.get("currentModelId")) or None, None)


def options_of(state: Mapping[str, Any]) -> list[Frame]:
    """Return the options that a backend lists, without what does not fit the protocol."""
    options = salvage(state.get("configOptions"), _OPTIONS)
    return [] if options is REFUSED else options


def is_model_option(option: Frame) -> bool:
    """Tell whether an option is the backend's choice of models, which ours stands for."""
    return bool(option.get("category") == "model" or (option["id"] == MODEL_OPTION and "category" not in option))


def model_select(agents: Iterable[AgentModels], agent: str, model: str | None) -> Frame:
    """Return our select over all agents, each agent's models together."""
    entries: list[Frame] = []
    for offered in agents:
        for one in offered.models or (Model(DEFAULT_MODEL, ""),):
            entry: Frame = {"value": joined(offered.agent, one.id), "name": f"{offered.label}: {one.name}"}
            if not one.name:
                entry["name"] = offered.label
            if one.description:
                entry["description"] = one.description
            entries.append(entry)
    current = joined(agent, model or DEFAULT_MODEL)
    if all(entry["value"] != current for entry in entries):
        entries.append({"value": current, "name": current})
    return {
        "id": MODEL_OPTION,
        "name": "Model",
        "category": "model",
        "type": "select",
        "currentValue": current,
        "options": entries,
    }


def joined(agent: str, model: str) -> str:
    """Return a value of our select."""
    return f"{agent}:{model}"


def split(value: str) -> tuple[str, str] | None:
    """Take a value of our select apart at its first colon: models have colons of their own."""
    agent, colon, model = value.partition(":")
    return (agent, model) if agent and colon and model else None


def options_for_editor(options: Sequence[Frame], select: Frame, *, booleans: bool) -> list[Frame]:
    """Return our select and the backend's other options; without `booleans` those of type boolean become selects."""
    others = (option for option in options if not is_model_option(option) and option["id"] != MODEL_OPTION)
    return [
        select,
        *(option if booleans or option.get("type") != "boolean" else _as_select(option) for option in others),
    ]


def choice_for_backend(options: Sequence[Frame], option: str, value: Any) -> Frame:
    """Return the parameters that set an option, with a boolean that was shown as a select turned back."""
    known = next((one for one in options if one["id"] == option), None)
    if known is not None and known.get("type") == "boolean":
        return {"configId": option, "type": "boolean", "value": value is True or value == "on"}
    return {"configId": option, "value": value}


def mode_option(options: Sequence[Frame]) -> Frame | None:
    """Return the option that stands for the modes of old."""
    return next((one for one in options if one.get("category") == "mode" and one.get("type") != "boolean"), None)


def modes_for_editor(state: Mapping[str, Any]) -> Frame | None:
    """Return the modes of a session: the backend's own, or its option of that category."""
    modes: Frame | Refused = salvage(state.get("modes"), MODES)
    if not isinstance(modes, Refused):
        return modes
    option = mode_option(options_of(state))
    if option is None:
        return None
    available: list[Frame] = []
    for entry in _entries(option):
        mode: Frame = {"id": entry["value"], "name": _text(entry.get("name"), entry["value"])}
        if _text(entry.get("description")):
            mode["description"] = entry["description"]
        available.append(mode)
    return {"currentModeId": _text(option.get("currentValue")), "availableModes": available}


def _as_select(option: Frame) -> Frame:
    shown = {**option, "type": "select", "currentValue": "on" if option.get("currentValue") is True else "off"}
    shown["options"] = [{"value": "on", "name": "On"}, {"value": "off", "name": "Off"}]
    return shown


def _entries(option: Frame) -> list[Frame]:
    """Return the values of a select, those of its groups too."""
    listed = option.get("options")
    out: list[Frame] = []
    for entry in listed if type(listed) is list else ():
        if type(entry) is not dict:
            continue
        inner = entry.get("options")
        out += [one for one in (inner if type(inner) is list else (entry,)) if type(one) is dict]
    return [entry for entry in out if type(entry.get("value")) is str]


def _text(value: Any, default: str = "") -> str:
    return value if type(value) is str else default
