"""Open a pull request for a promoted branch, with the token that the vault has for the upstream."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from terok_util import json_object, safe_text

from terok_sandbox.gate.credentials import access_for, forges
from terok_sandbox.gate.errors import NoCredential, NoSuchBranch, PromotionRefused
from terok_sandbox.gate.layout import read_record
from terok_sandbox.gate.mirror import Mirror
from terok_sandbox.gate.refs import HEADS, UPSTREAM, head_branch, read_refs
from terok_sandbox.gate.review import commits_between
from terok_sandbox.gate.source import RepoSource, endpoint

FORGES: Final = tuple(name for name, forge in forges().items() if "api" in forge)
"""Kinds of forges that are asked for pull requests."""

_SECONDS: Final = 60.0
_MAX_REPLY: Final = 4 * 1024 * 1024
_MAX_SUBJECTS: Final = 50
_MAX_TITLE: Final = 200
_MAX_BODY: Final = 10_000


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A request to merge the branch `head` of the upstream into `base`."""

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


@dataclass(frozen=True, slots=True)
class PreparedPullRequest:
    """A pull request that can be opened once its branch is upstream."""

    forge: str
    source: RepoSource
    wanted: PullRequest
    token: str = field(repr=False)

    def open(self) -> str:
        """Open it and return its address; `PromotionRefused` when the forge does not."""
        status, answer = _post(opening(self.forge, self.source, self.wanted, self.token))
        return opened(self.forge, status, answer)


def prepare(mirror: Mirror, branch: str, *, head: str, base: str | None, title: str | None) -> PreparedPullRequest:
    """Prepare a pull request into `base` (the default branch without it); `PromotionRefused`, `NoCredential`."""
    record = read_record(mirror.path)
    source = mirror.source
    if source is None:
        raise PromotionRefused(f"the project {mirror.scope} has no upstream")
    forge = forge_at(source, record.forge, mirror.scope)
    into = base or head_branch(mirror.path)
    if into == head:
        raise PromotionRefused(
            f"a pull request cannot merge {head} into itself", hint="promote to a branch of another name with --to"
        )
    login = access_for(record, mirror.path.parent, mirror.config).https(source.address)
    if login is None:
        raise NoCredential(
            f"there is no token for the forge of {source.address}",
            hint=f"terok-sandbox vault set NAME, then terok-sandbox gate access {mirror.scope} --credential NAME",
        )
    refs = read_refs(mirror.path)
    tip = refs.refs.get(HEADS + branch)
    if tip is None:
        raise NoSuchBranch(branch, mirror.scope)
    commits = commits_between(mirror.path, refs.refs.get(UPSTREAM + into), tip)
    subjects = [safe_text(commit.subject, limit=200) for commit in commits]
    body = "\n".join(f"- {subject}" for subject in subjects[:_MAX_SUBJECTS]) if len(subjects) > 1 else ""
    wanted = PullRequest(head, into, title or (subjects[0] if subjects else head), body)
    return PreparedPullRequest(forge, source, wanted, login.token)


def forge_at(source: RepoSource, chosen: str | None, scope: str) -> str:
    """Return the kind of forge that an upstream lives on; `PromotionRefused` when nothing says so."""
    where = endpoint(source)
    if where is None:
        raise PromotionRefused("the upstream is a directory of this host: there is nothing to open a pull request on")
    host = where[0].lower()
    kind = chosen if chosen in FORGES else next((name for name in FORGES if forges()[name]["host"] == host), None)
    if kind is None:
        raise PromotionRefused(
            f"the kind of forge at {where[0]} is not known",
            hint=f"terok-sandbox gate access {scope} --forge {'|'.join(FORGES)}",
        )
    return kind


def opening(forge: str, source: RepoSource, wanted: PullRequest, token: str) -> ApiCall:
    """Return the call that opens `wanted` on the forge where `source` lives."""
    data = forges()[forge]
    host, path = _place(source)
    url = data.get("at_host", data["api"]) if host == data["host"] else data["api"]
    texts = {"head": wanted.head, "base": wanted.base, "body": wanted.body[:_MAX_BODY]}
    fields = {"title": wanted.title[:_MAX_TITLE]} | {data["fields"][name]: text for name, text in texts.items()}
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "terok"}
    headers |= data.get("headers", {}) | {"Authorization": data["authorization"].format(token=token)}
    url = url.format(host=host, path=quote(path), project=quote(path, safe=""))
    return ApiCall(url, json.dumps(fields).encode(), headers)


def opened(forge: str, status: int, answer: bytes) -> str:
    """Return the address of the pull request that a forge opened; `PromotionRefused` with its words if it did not."""
    fields = json_object(answer) or {}
    url = fields.get(forges()[forge]["address"])
    if status in (200, 201) and isinstance(url, str) and url.startswith("https://"):
        return safe_text(url, limit=500)
    words = fields.get("message") or fields.get("error") or ""
    details = [str(item.get("message", "")) for item in fields.get("errors") or () if isinstance(item, dict)]
    text = safe_text("; ".join(part for part in (str(words), *details) if part), limit=500)
    hint = "the token may lack the right to open pull requests" if status in (401, 403, 404) else None
    raise PromotionRefused(f"the forge answered {status}{': ' + text if text else ''}", hint=hint)


def _place(source: RepoSource) -> tuple[str, str]:
    if source.kind == "url":
        url = urlsplit(source.address)
        return url.netloc, url.path.strip("/")
    if source.address.startswith("ssh://"):
        url = urlsplit(source.address)
        return str(url.hostname), url.path.strip("/")
    login, _, path = source.address.partition(":")
    return login.rpartition("@")[2], path.strip("/")


def _post(call: ApiCall) -> tuple[int, bytes]:
    """Send a call. Redirects are not followed: the token is for this host."""
    import ssl

    import httpx

    try:
        context = ssl.create_default_context(cafile=os.environ.get("GIT_SSL_CAINFO"))
        body = b""
        with (
            httpx.Client(verify=context, timeout=_SECONDS) as client,
            client.stream("POST", call.url, content=call.body, headers=call.headers) as response,
        ):
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _MAX_REPLY:
                    break
        return response.status_code, body[:_MAX_REPLY]
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise PromotionRefused(
            f"the forge's API was not reached: {safe_text(str(error), limit=300)}", hint="check address and network"
        ) from error
