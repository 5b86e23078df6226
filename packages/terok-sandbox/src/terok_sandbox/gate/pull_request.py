"""Open a pull request for a promoted branch, with the token that the vault has for the upstream."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from terok_util.text import safe_text

from terok_sandbox.gate.credentials import access_for
from terok_sandbox.gate.errors import NoCredential, NoSuchBranch, PromotionRefused
from terok_sandbox.gate.forge import ApiCall, Forge, PullRequest, forge_of, opened, opening
from terok_sandbox.gate.layout import read_record
from terok_sandbox.gate.refs import HEADS, UPSTREAM, head_branch, read_refs
from terok_sandbox.gate.review import commits_between

if TYPE_CHECKING:
    from terok_sandbox.gate.mirror import Mirror
    from terok_sandbox.gate.source import RepoSource

_SECONDS: Final = 60.0
_MAX_ANSWER: Final = 4 * 1024 * 1024
_MAX_SUBJECTS: Final = 50


@dataclass(frozen=True, slots=True)
class PreparedPullRequest:
    """A pull request that can be opened once its branch is upstream."""

    forge: Forge
    source: RepoSource
    wanted: PullRequest
    token: str = field(repr=False)

    def open(self) -> str:
        """Open it and return its address; `PromotionRefused` when the forge does not."""
        status, answer = _post(opening(self.forge, self.source, self.wanted, self.token))
        return opened(self.forge, status, answer)


def prepare(gate: Mirror, branch: str, *, head: str, base: str | None, title: str | None) -> PreparedPullRequest:
    """Say what would be opened for `branch`, promoted as `head`; `base` is the upstream's default without it.

    Raises `PromotionRefused` or `NoCredential` for what is missing, before anything is sent.
    """
    record = read_record(gate.path)
    source = gate.source
    if source is None:
        raise PromotionRefused(f"the project {gate.scope} has no upstream")
    forge = forge_of(source, record.forge, gate.scope)
    into = base or head_branch(gate.path)
    if into == head:
        raise PromotionRefused(
            f"a pull request from {head} into {head} is none", hint="promote to a branch of another name with --to"
        )
    login = access_for(record, gate.path.parent).https(source.address)
    if login is None:
        raise NoCredential(
            f"there is no token for the forge of {source.address}",
            hint=f"terok-sandbox vault set NAME, then terok-sandbox gate access {gate.scope} --credential NAME",
        )
    refs = read_refs(gate.path)
    tip = refs.refs.get(HEADS + branch)
    if tip is None:
        raise NoSuchBranch(branch, gate.scope)
    commits = commits_between(gate.path, refs.refs.get(UPSTREAM + into), tip)
    subjects = [safe_text(commit.subject, limit=200) for commit in commits]
    body = "\n".join(f"- {subject}" for subject in subjects[:_MAX_SUBJECTS]) if len(subjects) > 1 else ""
    wanted = PullRequest(head, into, title or (subjects[0] if subjects else head), body)
    return PreparedPullRequest(forge, source, wanted, login.token)


def _post(call: ApiCall) -> tuple[int, bytes]:
    """Send a call and return status and body. Redirects are not followed: the token is for this host."""
    import ssl
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        context = ssl.create_default_context(cafile=os.environ.get("GIT_SSL_CAINFO"))
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Stay)
        request = urllib.request.Request(call.url, data=call.body, headers=dict(call.headers), method="POST")  # noqa: S310 - always https
        with opener.open(request, timeout=_SECONDS) as answer:
            return answer.status, answer.read(_MAX_ANSWER)
    except urllib.error.HTTPError as error:
        return error.code, error.read(_MAX_ANSWER)
    except (OSError, ValueError) as error:
        reason = safe_text(str(getattr(error, "reason", error)), limit=300)
        raise PromotionRefused(
            f"the forge's API was not reached: {reason}", hint="check address and network"
        ) from error
