"""Every setting with its value and where that was set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from terok_util import ConfigStack, deep_merge, lean_dataclass

from terok.config.kept import kept
from terok.config.layers import Source, host_sources, resolve, stack_of
from terok.config.project import project_sources, project_stack
from terok.errors import UnknownProject

INHERIT = "_inherit"
_MISSING, _DROPPED = object(), object()


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class SetValue:
    """A value in one layer: which, and where it stands."""

    level: str
    value: Any
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """File and line, or the layer's name if it has no file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file or self.level


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key with its value. `layers` are all that set it, the one that counts last; none means the default."""

    key: str
    value: Any
    kind: str
    default: Any
    help: str
    layers: tuple[SetValue, ...] = ()

    @property
    def origin(self) -> str:
        """Where the value was set."""
        return self.layers[-1].place if self.layers else "default"


KINDS = {kind.__name__: kind for kind in (SetValue, Setting)}


def settings_of(project: str | None = None, *, preset: str | None = None) -> dict[str, Setting]:
    """Return every setting by key: of a project with a preset, or those of `config.yml`.

    Raises:
        UnknownProject: There is no such project, or preset.
        ConfigError: A layer is wrong; the message names file, line and key.
    """
    sources = host_sources() if project is None else project_sources(project)
    found = kept(
        "explained" if project is None else f"explained-{project}",
        lambda: _explained(sources, project, preset),
        sources=sources,
        more=preset,
        kinds=KINDS,
        variant=preset or "",
    )
    return {setting.key: setting for setting in found}


def explain(key: str, project: str | None = None, *, preset: str | None = None) -> list[Setting]:
    """Return a setting, or those of a section; UnknownProject, with the nearest key, if there is none."""
    settings = settings_of(project, preset=preset)
    found = [setting for path, setting in settings.items() if path == key or path.startswith(f"{key}.")]
    if found:
        return found
    import difflib  # only for this message

    leaf = key.rpartition(".")[2]
    near = [path for path in settings if path.rpartition(".")[2] == leaf] or difflib.get_close_matches(key, settings)
    hint = f"did you mean {near[0]}?" if near else "see `terok config schema`"
    raise UnknownProject(f"there is no key {key[:80]!r}", hint=hint)


def _explained(sources: Iterable[Source], project: str | None, preset: str | None) -> tuple[Setting, ...]:
    from terok.config.owners import HOST, PROJECT  # imports pydantic
    from terok.config.validation import checked

    if project is None:
        owners, stack = HOST, stack_of(map(checked, sources))
    else:
        owners, stack = PROJECT, project_stack(sources, preset=preset)
    merged = resolve(stack)
    return tuple(
        Setting(
            key=key.path,
            value=_at(merged, key.path, key.default),
            kind=key.kind,
            default=key.default,
            help=key.help,
            layers=tuple(_layers(stack, key.path)),
        )
        for key in owners.keys.values()
    )


def _layers(stack: ConfigStack, path: str) -> list[SetValue]:
    """Return the layers that say something of a key, without those that a higher one drops as a whole."""
    parts = tuple(path.split("."))
    found: list[SetValue] = []
    for scope in stack.scopes:
        value = _said(scope.data, parts)
        if value is _DROPPED:
            found = []
        elif value is not _MISSING:
            line = next((scope.lines[step] for step in (parts, parts[:-1]) if step in scope.lines), 0)
            found.append(SetValue(level=scope.level, value=value, file=str(scope.source or ""), line=line))
    return found


def _said(data: Any, parts: tuple[str, ...]) -> Any:
    """Return what one layer says of a key, None where it takes the key away."""
    for part in parts:
        if not isinstance(data, Mapping):
            return None
        if part not in data:
            return _DROPPED if data.get(INHERIT) is False else _MISSING
        data = data[part]
        if data is None:
            return None
        if isinstance(data, str) and data == INHERIT:
            return _MISSING
    return deep_merge({}, {"value": data})["value"]


def _at(data: Mapping[str, Any], path: str, default: Any) -> Any:
    node: Any = data
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return default
        node = node[part]
    return node
