"""Model providers: where each is, how it is spoken to, and what its credentials look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from terok_util import lean_dataclass

from terok_executor.roster.spelling import (
    NOT_EMPTY,
    Argument,
    CredentialType,
    HeaderName,
    HeaderText,
    Limits,
    Line,
    Model,
    Protocol,
    Section,
    Upstream,
    UrlPath,
    spelled,
)


@lean_dataclass(frozen=True, slots=True)
class AuthHeader(Section):
    """How a credential of one type is sent; an empty block means a bearer token.

    Without `prefix` the vault sends the bare key, or `Bearer ` before it in the header Authorization.
    """

    header: HeaderName = "Authorization"
    prefix: HeaderText | None = None
    extra_headers: Mapping[HeaderName, HeaderText] = field(default_factory=dict)


@lean_dataclass(frozen=True, slots=True)
class PhantomShape(Section):
    """Form of the phantom tokens that stand for this provider's credentials."""

    prefix: Annotated[str, spelled(r"[A-Za-z0-9._-]{0,32}", "a token prefix")] = "terok-p-"
    length: Annotated[int, Limits(ge=32, le=256)] = 32
    alphabet: Literal["hex", "base62", "base64url"] = "hex"


@lean_dataclass(frozen=True, slots=True)
class RefreshSpec(Section):
    """Where, and as which client, the vault gets a new access token."""

    token_url: Upstream
    client_id: Argument
    scope: Line | None = None
    client_secret: Line | None = None


class RouteRules:
    """Annotates the rules of a route, which the vault's own reader checks."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Leave the whole value to the vault's reader, which raises ValueError."""
        from pydantic_core import core_schema

        from terok_executor.integrations.sandbox import read_rules

        return core_schema.no_info_plain_validator_function(lambda value: (read_rules(value), value)[1])

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Describe a preset, or a list of presets and rules."""
        preset = {"type": "string"}
        texts = {"type": "array", "items": preset}
        keys = {"methods": texts, "path": preset, "query": {"type": "object", "additionalProperties": preset}}
        rule = {"type": "object", "properties": keys, "additionalProperties": False}
        return {"anyOf": [preset, {"type": "array", "items": {"anyOf": [preset, rule]}}]}


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Section):
    """A file in `providers/`: one model provider."""

    name: str
    label: Line
    upstream: Upstream | None = None
    auth: Annotated[Mapping[CredentialType, AuthHeader], NOT_EMPTY]
    """Credential type to header."""
    serves: Mapping[Protocol, UrlPath] = field(default_factory=dict)
    """Protocol to the path below the upstream; empty for what only tools use."""
    rules: Annotated[str | list[Any], RouteRules()] | None = None
    """Requests that are permitted, see the vault's `routes.json`; None permits everything."""
    token_in: Annotated[tuple[Line, ...], NOT_EMPTY] | None = None
    """Where a client may present its token: `bearer`, `basic`, header names; None for the usual places."""
    shared_domain: bool = False
    """Whether the host also serves what is not behind the credential, so that it may be allowed."""
    default_model: Model | None = None
    path_upstreams: Mapping[UrlPath, Upstream] = field(default_factory=dict)
    token: PhantomShape = PhantomShape()
    oauth_refresh: RefreshSpec | None = None
    key_url: Line = ""
    help: Line = ""
    roster_version: Literal[1] = 1

    @property
    def default_auth(self) -> AuthHeader:
        """The header of an API key, or of the only type there is."""
        return self.auth.get("api_key") or next(iter(self.auth.values()))
