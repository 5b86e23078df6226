"""Checks layers against the sections of all wheels. Imported only when a file has to be read anew."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from terok_util import ConfigError, ConfigScope, config_error, deep_merge, safe_text

from terok.config.layers import PROJECT_FILE
from terok.config.sections import PRESET_SECTIONS, HostFile, ProjectFile
from terok.integrations.executor import ImageSettings
from terok.integrations.sandbox import SandboxConfigView

Location = tuple[str | int, ...]
_ONLY_HOST = {("credentials", "passphrase_command"), ("services", "mode")}
"""Keys of the wheels below that are about the host, not about one project."""
_MESSAGES = {
    "tuple_type": "use a list",
    "list_type": "use a list",
    "dict_type": "use keys with values",
    "dataclass_type": "use keys with values",
    "model_type": "use keys with values",
    "string_type": "use text; in quotes if it looks like a number or yes and no",
    "int_type": "use a whole number",
    "float_type": "use a number",
    "bool_type": "use true or false",
    "missing": "this key is needed",
    "missing_argument": "this key is needed",
}
_UNKNOWN = frozenset(("unexpected_keyword_argument", "extra_forbidden"))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a layer."""

    scope: ConfigScope
    key: Location
    text: str
    hint: str | None = None

    def error(self) -> ConfigError:
        """Return it as an error that names file, line and key."""
        if self.scope.source is None:
            key = safe_text(".".join(map(str, self.key)), limit=200)
            return ConfigError(f"{self.scope.level}: {key}: {safe_text(self.text, limit=300)}", hint=self.hint)
        return config_error(self.scope, self.key, self.text, hint=self.hint)


class Parsed(NamedTuple):
    """The values of all sections: terok's, the executor's, and keywords of `SandboxConfig`."""

    product: Any
    image: ImageSettings
    sandbox: dict[str, Any]


class Owners:
    """Which wheel owns which key of `config.yml` (root HostFile) or `project.yml` (root ProjectFile)."""

    def __init__(self, root: type[HostFile | ProjectFile]) -> None:
        self.root = root
        self.product = TypeAdapter(root)
        self._product_keys = {field.name: _section_keys(getattr(root(), field.name)) for field in fields(root)}
        self._sandbox_keys = {
            name: frozenset(
                key
                for key in getattr(info.annotation, "model_fields", {})
                if root is HostFile or (name, key) not in _ONLY_HOST
            )
            for name, info in SandboxConfigView.model_fields.items()
        }
        self._image_keys = frozenset(field.name for field in fields(ImageSettings))

    def keys(self) -> list[str]:
        """Return every `section.key`, and every section whose keys are free."""
        known = [
            (section, key)
            for keys in (self._product_keys, self._sandbox_keys)
            for section in keys
            for key in sorted(keys[section] or ())
        ]
        known += [("image", key) for key in sorted(self._image_keys)]
        return [*dict.fromkeys(f"{section}.{key}" for section, key in known), "presets"]

    def split(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[Location]]:
        """Return what belongs to terok, the sandbox and the executor, and the keys that nobody has."""
        product: dict[str, Any] = {}
        sandbox: dict[str, Any] = {}
        image: dict[str, Any] = {}
        unknown: list[Location] = []
        for section, values in data.items():
            own = self._product_keys.get(section, frozenset())
            if own is None or not isinstance(values, Mapping):
                known = section in self._product_keys or section in self._sandbox_keys or section == "image"
                if known:
                    product[section] = values
                else:
                    unknown.append((section,))
                continue
            lower = self._image_keys if section == "image" else self._sandbox_keys.get(section, frozenset())
            if not own and not lower:
                unknown.append((section,))
                continue
            for key, value in values.items():
                if key in own:
                    product.setdefault(section, {})[key] = value
                elif key in lower:
                    (image if section == "image" else sandbox.setdefault(section, {}))[key] = value
                else:
                    unknown.append((section, key))
        return product, sandbox, image, unknown


def _section_keys(section: Any) -> frozenset[str] | None:
    """Return the keys of a section; None if they are free."""
    return None if isinstance(section, dict) else frozenset(field.name for field in fields(section))


HOST = Owners(HostFile)
PROJECT = Owners(ProjectFile)


def check(scope: ConfigScope, owners: Owners) -> None:
    """Raise ConfigError for the first problem of a layer."""
    for problem in problems(scope, owners):
        raise problem.error()


def problems(scope: ConfigScope, owners: Owners) -> Iterator[Problem]:
    """Yield everything that is wrong in a layer, by itself."""
    found = [*_problems(scope, scope.data, owners, ())]
    presets = scope.data.get("presets")
    for name, body in presets.items() if isinstance(presets, dict) else ():
        if isinstance(body, dict):
            above: Location = ("presets", name)
            for section in body.keys() - PRESET_SECTIONS:
                found.append(
                    Problem(
                        scope,
                        (*above, section),
                        "a preset cannot have this section",
                        f"use one of {', '.join(sorted(PRESET_SECTIONS))}",
                    )
                )
            allowed = {key: value for key, value in body.items() if key in PRESET_SECTIONS}
            found += _problems(scope, allowed, PROJECT, above)
    yield from sorted(found, key=lambda problem: scope.lines.get(problem.key, 0))


def _problems(scope: ConfigScope, data: Mapping[str, Any], owners: Owners, above: Location) -> Iterator[Problem]:
    plain = deep_merge({}, {key: {} if value is None else value for key, value in data.items()})
    product, sandbox, image, unknown = owners.split(plain)
    for key in unknown:
        yield Problem(scope, (*above, *key), *_about_unknown(key, owners))
    checks: tuple[tuple[Any, Any, Location], ...] = (
        (owners.product, _tuples(product), ()),
        (TypeAdapter(SandboxConfigView), sandbox, ()),
        (TypeAdapter(ImageSettings), _tuples(image), ("image",)),
    )
    for adapter, part, place in checks:
        try:
            adapter.validate_python(part)
        except ValidationError as error:
            for key, text, hint in _told(error, part):
                yield Problem(scope, (*above, *place, *key), text, hint)


def parse(data: Mapping[str, Any], owners: Owners) -> Parsed:
    """Return the values of merged layers, each of which has been checked by itself."""
    product, sandbox, image, _ = owners.split(data)
    try:
        return Parsed(
            owners.product.validate_python(_tuples(product)),
            TypeAdapter(ImageSettings).validate_python(_tuples(image)),
            SandboxConfigView.model_validate(sandbox).settings(),
        )
    except ValidationError as error:  # values that are right by themselves do not go together
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}") from None


def _told(error: ValidationError, data: Any) -> Iterator[tuple[Location, str, str | None]]:
    """Yield location, text and hint of each place that is wrong; alternatives of one place are joined."""
    places: dict[Location, list[str]] = {}
    hints: dict[Location, str | None] = {}
    for one in error.errors(include_url=False, include_context=True):
        key = _within(data, one["loc"], unknown=one["type"] in _UNKNOWN)
        text = _MESSAGES.get(one["type"]) or one["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if one["type"] in _UNKNOWN:
            text, hints[key] = "unknown key", "check its spelling and indentation"
        elif one["type"] == "literal_error":
            text = f"use {one['ctx']['expected']}"
        places.setdefault(key, []).append(text)
    for key, texts in places.items():
        yield key, ", or ".join(dict.fromkeys(texts)), hints.get(key)


def _within(data: Any, location: Iterable[str | int], *, unknown: bool) -> Location:
    """Return the part of a location that is in the data; pydantic adds names of alternatives."""
    path: list[str | int] = []
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            if unknown or isinstance(data, Mapping):
                path.append(part)
            break
        path.append(part)
    return tuple(path)


def _about_unknown(key: Location, owners: Owners) -> tuple[str, str]:
    """Return what is said of an unknown section or key, and what is nearest to it."""
    name = ".".join(map(str, key))
    known = owners.keys()
    sections = sorted({text.partition(".")[0] for text in known})
    other = PROJECT if owners is HOST else HOST
    if name in other.keys() or (len(key) == 1 and any(text.startswith(f"{name}.") for text in other.keys())):
        where = PROJECT_FILE if owners is HOST else "config.yml"
        return f"this belongs into {where}", f"`terok config schema` lists the keys of each file"
    if len(key) == 1:
        near = difflib.get_close_matches(name, sections, n=1)
        return "unknown section", f"did you mean {near[0]}?" if near else f"use one of {', '.join(sections)}"
    section, leaf = str(key[0]), str(key[-1])
    near = difflib.get_close_matches(
        leaf, [text.partition(".")[2] for text in known if text.startswith(f"{section}.")], n=1
    )
    if near:
        return "unknown key", f"did you mean {section}.{near[0]}?"
    same = [text for text in known if text.rpartition(".")[2] == leaf] or difflib.get_close_matches(name, known, n=1)
    return "unknown key", f"did you mean {same[0]}?" if same else "`terok config schema` lists the keys"


def _tuples(node: Any) -> Any:
    """Return the data with tuples for lists, as frozen values have them."""
    if isinstance(node, list):
        return tuple(_tuples(item) for item in node)
    return {key: _tuples(item) for key, item in node.items()} if isinstance(node, dict) else node
