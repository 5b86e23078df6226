"""Checks layers against the sections of all wheels. Imported only when a file has to be read anew."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from terok_util import ConfigError, ConfigScope, config_error, deep_merge, safe_text

from terok.config.layers import Source, read_scope
from terok.config.owners import HOST, PROJECT, Owners
from terok.config.sections import PRESET_SECTIONS
from terok.integrations.executor import ImageSettings

Location = tuple[str | int, ...]
_MESSAGES = {
    "tuple_type": "use a list",
    "list_type": "use a list",
    "dict_type": "use keys with values",
    "dataclass_type": "use keys with values",
    "model_type": "use keys with values",
    "string_type": "use text, in quotes if it looks like a number or a yes",
    "int_type": "use a whole number",
    "float_type": "use a number",
    "bool_type": "use true or false",
    "missing": "this key is needed",
    "missing_argument": "this key is needed",
}
_UNKNOWN = frozenset(("unexpected_keyword_argument", "extra_forbidden"))
_SCHEMA_HINT = "`terok config schema` lists the keys"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a layer."""

    scope: ConfigScope
    key: Location
    text: str
    hint: str | None = None

    @property
    def line(self) -> int:
        """The line of the key in its file, or that of the nearest one around it."""
        steps = (self.key[:length] for length in range(len(self.key), 0, -1))
        return next((self.scope.lines[step] for step in steps if step in self.scope.lines), 1)

    def error(self) -> ConfigError:
        """Return it as an error that names file, line and key, or option and key."""
        if self.scope.source is not None:
            return config_error(self.scope, self.key, self.text, hint=self.hint)
        key = safe_text(".".join(map(str, self.key)), limit=200)
        return ConfigError(f"{self.scope.level}: {key}: {safe_text(self.text, limit=300)}", hint=self.hint)


class Parsed(NamedTuple):
    """The values of all sections: terok's, the executor's, and keywords of `SandboxConfig`."""

    product: Any
    image: ImageSettings
    sandbox: dict[str, Any]


def checked(source: Source) -> ConfigScope:
    """Return a file's layer; ConfigError if it cannot be read, or for its first problem."""
    scope = read_scope(source)
    check(scope, PROJECT if source.level == "project" else HOST)
    return scope


def check(scope: ConfigScope, owners: Owners) -> None:
    """Raise ConfigError for the first problem of a layer."""
    for problem in problems(scope, owners):
        raise problem.error()


def problems(scope: ConfigScope, owners: Owners) -> list[Problem]:
    """Return everything that is wrong in a layer by itself, in the order of its lines."""
    found = [*_problems(scope, scope.data, owners, ())]
    presets = scope.data.get("presets")
    for name, body in presets.items() if isinstance(presets, dict) else ():
        if isinstance(body, dict):
            found += _of_preset(scope, body, ("presets", name))
    return sorted(found, key=lambda problem: scope.lines.get(problem.key, 0))


def _of_preset(scope: ConfigScope, body: Mapping[str, Any], above: Location) -> Iterator[Problem]:
    hint = f"use one of {', '.join(sorted(PRESET_SECTIONS))}"
    for section in body.keys() - PRESET_SECTIONS:
        yield Problem(scope, (*above, section), "a preset cannot have this section", hint)
    allowed = {section: values for section, values in body.items() if section in PRESET_SECTIONS}
    yield from _problems(scope, allowed, PROJECT, above)


def _problems(scope: ConfigScope, data: Mapping[str, Any], owners: Owners, above: Location) -> Iterator[Problem]:
    # Merged with nothing, so that the markers for merging are gone.
    part = owners.split(deep_merge({}, {name: {} if section is None else section for name, section in data.items()}))
    for unknown in part.unknown:
        yield Problem(scope, (*above, *unknown), *_about_unknown(unknown, owners))
    checks: tuple[tuple[TypeAdapter[Any], Any, Location], ...] = (
        (owners.product, _tuples(part.product), ()),
        (owners.sandbox, part.sandbox, ()),
        (owners.image, _tuples(part.image), ("image",)),
    )
    for adapter, values, place in checks:
        try:
            adapter.validate_python(values)
        except ValidationError as error:
            for key, text in _told(error, values):
                problem = (text, _explain((*place, *key), owners)) if text else _about_unknown((*place, *key), owners)
                yield Problem(scope, (*above, *place, *key), *problem)


def parse(data: Mapping[str, Any], owners: Owners) -> Parsed:
    """Return the values of merged layers, each of which has been checked by itself.

    ConfigError for what only the layers together make wrong, such as a list that has become too long.
    """
    part = owners.split(data)
    try:
        return Parsed(
            owners.product.validate_python(_tuples(part.product)),
            owners.image.validate_python(_tuples(part.image)),
            # With the keys that no project can have: they are the host's for all containers.
            HOST.sandbox.validate_python(HOST.split(data).sandbox).settings(),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        text = safe_text(first["msg"], limit=300)
        raise ConfigError(f"{key}: {text} (all layers together)", hint=f"`terok config explain {key}`") from None


def _told(error: ValidationError, data: Any) -> Iterable[tuple[Location, str]]:
    """Return each place that is wrong with what to do; alternatives are joined, of an unknown key there is no text."""
    places: dict[Location, dict[str, None]] = {}
    for one in error.errors(include_url=False):
        unknown = one["type"] in _UNKNOWN
        text = _MESSAGES.get(one["type"]) or one["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if one["type"] == "literal_error":
            text = f"use {one['ctx']['expected']}"
        place = _within(data, one["loc"], last=unknown or one["type"].startswith("missing"))
        places.setdefault(place, {})["" if unknown else text] = None
    return [(place, ", or ".join(texts)) for place, texts in places.items()]


def _within(data: Any, location: Location, *, last: bool) -> Location:
    """Return the part of a location that is in the data, without pydantic's names of alternatives.

    With `last`, its last part is not in the data and belongs to it.
    """
    path: list[str | int] = []
    for part in location[:-1] if last else location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        path.append(part)
    return (*path, location[-1]) if last else tuple(path)


def _about_unknown(key: Location, owners: Owners) -> tuple[str, str]:
    """Return what is said of an unknown section or key, and what is nearest to it."""
    name = ".".join(map(str, key))
    other = PROJECT if owners is HOST else HOST
    if any(path == name or path.startswith(f"{name}.") for path in other.keys):
        return f"this belongs into {other.file}", _SCHEMA_HINT
    what = "unknown section" if len(key) == 1 else "unknown key"
    near = _nearest(name, list(owners.keys))
    return what, f"did you mean {near}?" if near else _SCHEMA_HINT


def _explain(key: Location, owners: Owners) -> str | None:
    """Return the hint for a value that is wrong."""
    names = [".".join(map(str, key[:length])) for length in range(len(key), 0, -1)]
    known = next((name for name in names if name in owners.keys), None)
    return f"see `terok config explain {known}`" if known else None


def _nearest(name: str, known: list[str]) -> str | None:
    """Return the key that is meant: one beside it that looks alike, one of its name elsewhere, or any that does."""
    parent, _, leaf = name.rpartition(".")
    beside = {path.removeprefix(f"{parent}.").partition(".")[0] for path in known if path.startswith(f"{parent}.")}
    if not parent:
        beside = {path.partition(".")[0] for path in known}
    alike = [f"{parent}.{near}".lstrip(".") for near in difflib.get_close_matches(leaf, sorted(beside), n=1)]
    elsewhere = [path for path in known if path.rpartition(".")[2] == leaf]
    return next(iter([*alike, *elsewhere, *difflib.get_close_matches(name, known, n=1)]), None)


def _tuples(node: Any) -> Any:
    """Return the data with tuples for lists, as frozen values have them."""
    if isinstance(node, list):
        return tuple(_tuples(item) for item in node)
    return {key: _tuples(item) for key, item in node.items()} if isinstance(node, dict) else node
