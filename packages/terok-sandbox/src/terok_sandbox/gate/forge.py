"""What a forge's API wants to hear to open a pull request: pure functions from values to requests and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args
from urllib.parse import quote, urlsplit

from terok_util.text import safe_text

from terok_sandbox.gate.errors import PromotionRefused
from terok_sandbox.gate.source import RepoSource, endpoint

Forge = Literal["github", "gitlab", "forgejo"]
"""Kinds of API; `forgejo` is also Gitea's."""
FORGES: Final[tuple[Forge, ...]] = get_args(Forge)

_KNOWN: Final[Mapping[str, Forge]] = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "forgejo"}
_MAX_TITLE: Final = 200
_MAX_BODY: Final = 10_000


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What is asked for: to merge the branch `head` of the upstream into `base`."""

    head: str
    base: str
    title: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A POST of JSON; `headers` hold the token."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)


def forge_of(source: RepoSource, chosen: str | None, scope: str) -> Forge:
    """Return the kind of forge that an upstream lives on; `PromotionRefused` when nothing says so."""
    where = endpoint(source)
    if where is None:
        raise PromotionRefused("the upstream is a directory of this host: there is nothing to open a pull request on")
    kind = next((forge for forge in FORGES if forge == chosen), None) or _KNOWN.get(where[0].lower())
    if kind is None:
        raise PromotionRefused(
            f"what kind of forge {where[0]} is was not said",
            hint=f"terok-sandbox gate access {scope} --forge {'|'.join(FORGES)}",
        )
    return kind


def opening(forge: Forge, source: RepoSource, wanted: PullRequest, token: str) -> ApiCall:
    """Return the call that opens `wanted` on the forge where `source` lives."""
    host, path = _place(source)
    title, body = wanted.title[:_MAX_TITLE], wanted.body[:_MAX_BODY]
    fields = {"title": title, "head": wanted.head, "base": wanted.base, "body": body}
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "terok"}
    repository = quote(path)
    if forge == "github":
        root = "https://api.github.com" if host == "github.com" else f"https://{host}/api/v3"
        url = f"{root}/repos/{repository}/pulls"
        headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        headers["Authorization"] = f"Bearer {token}"
    elif forge == "gitlab":
        url = f"https://{host}/api/v4/projects/{quote(path, safe='')}/merge_requests"
        fields = {"title": title, "source_branch": wanted.head, "target_branch": wanted.base, "description": body}
        headers["Authorization"] = f"Bearer {token}"
    else:
        url = f"https://{host}/api/v1/repos/{repository}/pulls"
        headers["Authorization"] = f"token {token}"
    return ApiCall(url, json.dumps(fields).encode(), headers)


def opened(forge: Forge, status: int, answer: bytes) -> str:
    """Return the address of the pull request that a forge opened; `PromotionRefused` with its words if it did not."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        said = None
    fields = said if isinstance(said, dict) else {}
    url = fields.get("web_url" if forge == "gitlab" else "html_url")
    if status in (200, 201) and isinstance(url, str) and url.startswith("https://"):
        return safe_text(url, limit=500)
    words = fields.get("message") or fields.get("error") or ""
    details = [str(item.get("message", "")) for item in fields.get("errors") or () if isinstance(item, dict)]
    text = safe_text("; ".join(part for part in (str(words), *details) if part), limit=500)
    hint = "the token may lack the right to open pull requests" if status in (401, 403, 404) else None
    raise PromotionRefused(f"the forge answered {status}{': ' + text if text else ''}", hint=hint)


def _place(source: RepoSource) -> tuple[str, str]:
    """Return host (with the port of an https upstream) and the path of the project on it."""
    if source.kind == "url":
        url = urlsplit(source.address)
        return url.netloc, url.path.strip("/")
    if source.address.startswith("ssh://"):
        url = urlsplit(source.address)
        return str(url.hostname), url.path.strip("/")
    login, _, path = source.address.partition(":")
    return login.rpartition("@")[2], path.strip("/")
