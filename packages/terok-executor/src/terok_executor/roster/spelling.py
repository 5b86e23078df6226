"""How the values of roster files are spelled.

The roster's dataclasses are annotated with these. pydantic reads the annotations when a YAML file has to be checked;
a command that finds the roster in the cache never imports pydantic, so nothing here does at import time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from terok_executor.roster.template import MODEL_PATTERN, check_template, placeholders


class Section:
    """Base of every part of a roster file: strict about types, and an unknown key is an error."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True, "extra": "forbid"}

    def check(self) -> None:
        """Raise ValueError if values that are right by themselves do not go together."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Have pydantic take mappings for sections, which strict types exclude, and call `check` after the fields."""
        from pydantic_core import core_schema

        def checked(value: Section) -> Section:
            value.check()
            return value

        schema = handler(source)
        # Strict dataclasses are taken as instances only; a file has mappings. The fields stay strict.
        handler.resolve_ref_schema(schema)["strict"] = False
        return core_schema.no_info_after_validator_function(checked, schema)


class Documented(Section):
    """Base of sections whose schema says of a key what the string below it says."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "strict": True,
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }


class Checked:
    """Annotates a value with a function that returns it, perhaps normalized, or refuses it with ValueError."""

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self._check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Tell pydantic to call the function after its own check of the type."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self._check, handler(source))


class Limits:
    """Annotates a value with pydantic's own limits: `ge`, `le`, `min_length`, `max_length`."""

    def __init__(self, **limits: int) -> None:
        self._limits = limits

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Add the limits to what pydantic checks of the type."""
        return {**handler(source), **self._limits}


class OneOf:
    """Annotates a text that is one of a few."""

    def __init__(self, *choices: str) -> None:
        self._choices = list(choices)

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Let pydantic take these texts alone."""
        from pydantic_core import core_schema

        return core_schema.literal_schema(self._choices)


def spelled(pattern: str, noun: str) -> Checked:
    """Return a check that a text matches `pattern` as a whole; errors call it `noun`."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"not {noun}: {value!r}")
        return value

    return Checked(check)


def check_placeholders(texts: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError for a placeholder in a template that is none of those that are known."""
    names = frozenset(known)
    for text in texts:
        if unknown := placeholders(text) - names:
            raise ValueError(f"unknown placeholder {{{min(unknown)}}}; known: {', '.join(sorted(names))}")


def _upstream(value: str) -> str:
    """Return the address of an upstream without a slash at its end."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {value!r} ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http or https URL: {value!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an upstream carries no user, query or fragment")
    return value.rstrip("/")


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


NOT_EMPTY = Limits(min_length=1)

EnvName = Annotated[str, spelled(r"[A-Za-z_][A-Za-z0-9_]{0,63}", "an environment variable name")]
ValueName = Annotated[str, spelled(r"[a-z][a-z_]{0,31}", "a lower-case name")]
HeaderName = Annotated[str, spelled(r"[A-Za-z0-9-]{1,64}", "a header name")]
HeaderText = Annotated[str, spelled(r"[\x20-\x7e]*", "printable ASCII")]
AbsolutePath = Annotated[str, spelled(r"/(?!.*\.\.)[A-Za-z0-9_./@+-]*", "an absolute path of plain characters")]
HostName = Annotated[str, spelled(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a host name in small letters")]
UrlPath = Annotated[str, spelled(r"|/[A-Za-z0-9_./~-]*", "empty or a path that starts with a slash")]
Segment = Annotated[str, spelled(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "one path segment")]
Line = Annotated[str, spelled(r"[^\x00-\x1f\x7f]*", "one line of text")]
Argument = Annotated[str, spelled(r"[^\x00\n]+", "a command-line argument")]
Upstream = Annotated[str, Checked(_upstream)]
Expression = Annotated[str, Checked(_expression)]
Template = Annotated[str, Checked(check_template)]
LineTemplate = Annotated[Line, Checked(check_template)]
Model = Annotated[str, spelled(MODEL_PATTERN, "a model name")]
PlainUrl = r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._/@+-]+"
Protocol = Annotated[str, OneOf("anthropic-messages", "openai-chat", "openai-responses", "google-generative")]
ReportKind = Literal["permission", "question", "answered", "turn_began", "turn_ended", "phase", "session", "idle"]
CredentialType = Annotated[str, OneOf("api_key", "oauth", "oauth_token", "pat")]
TokenKey = Annotated[str, OneOf("api_key", "oauth", "oauth_token", "pat", "_default")]
KeyPath = Annotated[tuple[str, ...], Limits(min_length=1, max_length=8)]
