"""Parse what a person names as a repository, a local path, https URL or ssh address, and derive its scope."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import RepoNotUnderstood, UpstreamRefused

_SLUG_LENGTH = 40
SSH_PORT = 22
_SCP_LIKE = re.compile(r"(?P<user>[A-Za-z0-9_][\w.-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^\s:-][^\s]*)\Z")
_SSH_USER = re.compile(r"[A-Za-z0-9_][\w.-]*\Z")
_SSH_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:-]*\Z")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(//|:)")
_USE_HTTPS_OR_CLONE = "use its https URL, or clone it and give the path of the clone"


@lean_dataclass(frozen=True, slots=True)
class RepoSource:
    """A repository as upstream: `address` is an absolute path, an https URL without credentials or an ssh address."""

    kind: Literal["path", "url", "ssh"]
    address: str
    name: str


def resolve_repo(text: str) -> RepoSource:
    """Return what a path or URL names; raises `RepoNotUnderstood`, `UpstreamRefused` for one the gate cannot speak."""
    if not text.strip() or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise RepoNotUnderstood(
            "the repository is empty or contains control characters", hint="give a directory or an https URL"
        )
    if text.startswith("file://"):
        text = unquote(text.removeprefix("file://"))
    if _SCHEME.match(text):
        return _from_url(text)
    return _from_path(text)


def known_repo(address: str) -> RepoSource:
    """Return what the `address` that a mirror remembers names; a directory need not be there any more."""
    if address.startswith("/"):
        return RepoSource("path", address, Path(address).name.removesuffix(".git"))
    return resolve_repo(address)


def scope_for(repo: str) -> str:
    """Return the mirror name of a repository, the same for all its spellings: a slug and a hash, `[a-z0-9-]`."""
    source = resolve_repo(repo)
    slug = re.sub(r"[^a-z0-9]+", "-", source.name.lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "repo"
    digest = hashlib.sha256(f"{source.kind}:{source.address}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{slug}-{digest[:10]}"


def endpoint(source: RepoSource) -> tuple[str, int] | None:
    """Return host and port that a fetch from the repository connects to; None for a directory."""
    if source.kind == "path":
        return None
    if match := _SCP_LIKE.match(source.address):
        return match["host"], SSH_PORT
    url = urlsplit(source.address)
    return str(url.hostname), url.port or (SSH_PORT if source.kind == "ssh" else 443)


def local_git_dir(repo: Path) -> Path:
    """Return what git itself would enter at `repo`: its `.git`, or `repo` when that is a bare repository."""
    if not repo.is_dir():
        raise RepoNotUnderstood(
            f"the directory {repo} is gone", hint="put it back, or make a mirror of its new place: gate add DIRECTORY"
        )
    inside = repo / ".git"
    if inside.is_dir() or inside.is_file():
        return inside
    if (repo / "HEAD").is_file() and (repo / "objects").is_dir() and (repo / "refs").is_dir():
        return repo
    raise RepoNotUnderstood(
        f"the directory {repo} is not a git repository", hint=f"run 'git init' and make a commit in {repo}"
    )


def _from_path(text: str) -> RepoSource:
    try:
        path = Path(text).expanduser()
        exists = path.is_dir()
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise RepoNotUnderstood(f"the path {text!r} cannot be used: {error}") from error
    if exists:
        local_git_dir(resolved)
        return RepoSource("path", str(resolved), resolved.name.removesuffix(".git"))
    if match := _SCP_LIKE.match(text):
        address = text.rstrip("/").removesuffix(".git")
        return RepoSource("ssh", address, match["path"].rstrip("/").removesuffix(".git").rsplit("/", 1)[-1])
    raise RepoNotUnderstood(
        f"the repository {text!r} is neither an existing directory nor a URL",
        hint="give a directory that holds a git repository, or an https URL",
    )


def _from_url(text: str) -> RepoSource:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise RepoNotUnderstood(f"the repository URL cannot be read: {error}", hint="give an https URL") from error
    if url.scheme.lower() == "ssh" and url.password is None:
        return _from_ssh(text, url.username, host, port, url.path)
    if url.username is not None or url.password is not None:
        raise UpstreamRefused(
            f"the repository URL for host {host} contains credentials; it was not used",
            hint="leave them out of the URL; a token belongs in the vault",
        )
    if url.scheme.lower() != "https":
        raise UpstreamRefused(f"upstreams over {url.scheme!r} are not supported", hint=_USE_HTTPS_OR_CLONE)
    if not host or url.query or url.fragment or any(char.isspace() for char in text):
        raise RepoNotUnderstood(f"{text!r} is not the URL of a repository", hint="give an https URL with host and path")
    path = url.path.rstrip("/").removesuffix(".git")
    if not path.strip("/"):
        raise RepoNotUnderstood(f"the URL {text!r} has no path", hint="give the URL of one repository")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != 443:
        netloc += f":{port}"
    return RepoSource("url", f"https://{netloc}{path}", path.rsplit("/", 1)[-1])


def _from_ssh(text: str, user: str | None, host: str | None, port: int | None, path: str) -> RepoSource:
    path = path.rstrip("/").removesuffix(".git")
    usable = host and _SSH_HOST.match(host) and (user is None or _SSH_USER.match(user))
    if not usable or not path.strip("/") or any(char.isspace() for char in text):
        raise RepoNotUnderstood(f"{text!r} is not the address of a repository", hint="write ssh://USER@HOST/PATH")
    place = f"[{host}]" if ":" in str(host) else str(host)
    login = f"{user}@" if user else ""
    address = f"ssh://{login}{place}{f':{port}' if port else ''}{path}"
    return RepoSource("ssh", address, path.rsplit("/", 1)[-1])
