"""Ask an upstream what it has, and fetch it into a mirror."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from terok_util.process import Completed, ProcessFailed
from terok_util.text import safe_text

from terok_sandbox.gate.credentials import UpstreamAccess, credentials_for
from terok_sandbox.gate.errors import GitFailed, GitTimeout, MirrorError, PromotionRefused, UpstreamUnreachable
from terok_sandbox.gate.invoke import Protocol, Service, local_service, run_git
from terok_sandbox.gate.refs import HEADS, TAGS
from terok_sandbox.gate.source import SSH_PORT, RepoSource, endpoint, local_git_dir
from terok_sandbox.values.names import is_ref

_ADVERTISEMENT_BYTES: Final = 128 * 1024 * 1024
_DISK_FULL: Final = "No space left on device"
_HOST_KEY: Final = b"Host key verification failed"
_OID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")

_TOLERATED: Final = (
    *("badTimezone", "badDateOverflow", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate"),
    *("missingSpaceBeforeEmail", "multipleAuthors", "zeroPaddedDate", "zeroPaddedFilemode"),
)
"""Flaws that old, published histories carry and that harm nobody. Pushes are judged without this list."""


_PROTOCOLS: Final[Mapping[str, tuple[Protocol, ...]]] = {"url": ("https",), "ssh": ("ssh",), "path": ("file",)}
_CHECKED_OUT: Final = "promote to a branch of another name with --to, and merge that there"
_HINT: Final = "sync and review again, or promote to a branch of another name with --to"


@dataclass(frozen=True, slots=True)
class Advertised:
    """The refs of an upstream, its default branch and its HEAD's commit (None: there is none), its kind of hash."""

    branches: dict[str, str]
    tags: dict[str, str]
    default_branch: str | None
    object_format: str = "sha1"
    head: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamRepository:
    """One upstream, as the mirror sees it; `access` is what it may be shown of our credentials."""

    source: RepoSource
    access: UpstreamAccess | None = None

    def advertised(self, *, timeout: float) -> Advertised:
        """Return what the upstream offers; `UpstreamUnreachable` if it does not answer in `timeout` seconds."""
        try:
            done = self._git("ls-remote", "--symref", timeout=timeout, max_output=_ADVERTISEMENT_BYTES)
        except (GitFailed, GitTimeout) as error:
            raise self._unreachable(error) from error
        seen = parse_advertisement(done.stdout)
        if seen.branches or seen.tags:
            return seen
        return replace(seen, object_format=self._object_format(timeout))

    def _object_format(self, timeout: float) -> str:
        """Return the hash of an upstream without objects, as the protocol announces it."""
        trace = self._git("ls-remote", timeout=timeout, check=False, variables={"GIT_TRACE_PACKET": "1"}).stderr
        return "sha256" if b"< object-format=sha256" in trace else "sha1"

    def fetch_into(self, mirror: Path, oids: Iterable[str], *, timeout: float) -> None:
        """Bring the objects `oids`, and all that they need, into the mirror; no ref changes.

        What the upstream does not advertise any more is `UpstreamUnreachable`, a history with gaps `MirrorError`.
        """
        wanted = sorted(set(oids))
        if not wanted:
            return
        flags = ["--quiet", "--stdin", "--no-tags", "--no-write-fetch-head"]
        flags += ["--no-recurse-submodules", "--no-auto-maintenance"]
        tolerated = {f"fetch.fsck.{flaw}": "ignore" for flaw in _TOLERATED}
        data = "".join(f"{oid}\n" for oid in wanted).encode()
        try:
            self._git("fetch", *flags, git_dir=mirror, config=tolerated, input=data, timeout=timeout)
        except (GitFailed, GitTimeout) as error:
            if _DISK_FULL in error.message:
                raise MirrorError(
                    f"the disk of the mirror {mirror} is full", hint="make room and sync again; no branch has changed"
                ) from error
            raise self._unreachable(error) from error
        # Git takes the end of a shallow clone's history for its beginning while it fetches, and forgets about it then.
        connected = ("--quiet", "--stdin", "--not", "--all")
        if run_git("rev-list", *connected, git_dir=mirror, input=data, timeout=timeout, check=False).returncode:
            raise MirrorError(
                f"the history of the upstream {self.source.address} is not complete",
                hint="a shallow clone is made whole with 'git fetch --unshallow'",
            )

    def push_from(self, mirror: Path, tip: str | None, branch: str, expected: str | None, *, timeout: float) -> None:
        """Set the upstream's `branch` to `tip` if it is at `expected` (None: missing); raises `PromotionRefused`."""
        flags = ["--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"]
        flags.append(f"--force-with-lease={HEADS}{branch}:{expected or ''}")
        try:
            refspec = f"{tip or ''}:{HEADS}{branch}"
            done = self._git("push", *flags, refspec=refspec, git_dir=mirror, timeout=timeout, check=False)
        except GitTimeout as error:
            raise self._unreachable(error) from error
        if done.returncode == 0:
            return
        said = done.stdout.decode("utf-8", "replace")
        refused = [line.split("\t")[-1] for line in said.splitlines() if line.startswith("!")]
        words = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        if refused:
            remote = [line.removeprefix("remote:").strip() for line in words if line.startswith("remote:")]
            text = "; ".join(safe_text(line, limit=300) for line in [*refused, *remote[-3:]] if line)
            hint = _CHECKED_OUT if "checked out" in text else _HINT
            raise PromotionRefused(f"the upstream {self.source.address} did not take the branch: {text}", hint=hint)
        if _HOST_KEY in done.stderr:
            raise self._other_host_key()
        text = "; ".join(safe_text(line, limit=300) for line in words[-3:]) or f"exit status {done.returncode}"
        raise self._unreachable(GitFailed(f"git push failed: {text}", status=done.returncode))

    def _git(
        self, verb: str, *words: str, refspec: str = "", variables: Mapping[str, str] | None = None, **bounds: Any
    ) -> Completed:
        address = self.source.address
        if self.source.kind == "path":
            git_dir = local_git_dir(Path(address))
            service: Service = "receive-pack" if verb == "push" else "upload-pack"
            words = (*words, f"--{service}={local_service(git_dir, service)}")
            address = str(git_dir)
        target = (address, refspec) if refspec else (address,)
        with credentials_for(address, self.source.kind, self.access) as shown:
            given = replace(shown, variables={**shown.variables, **(variables or {})})
            return run_git(verb, *words, *target, protocols=_PROTOCOLS[self.source.kind], shown=given, **bounds)

    def _other_host_key(self) -> UpstreamUnreachable:
        host, port = endpoint(self.source) or ("", SSH_PORT)
        name = host if port == SSH_PORT else f"[{host}]:{port}"
        file = self.access.known_hosts if self.access and not self.access.personal_ssh else Path("~/.ssh/known_hosts")
        return UpstreamUnreachable(
            f"the ssh host key of {name} is not the one that is known: somebody may be in between, or it has a new key",
            hint=f"if you know of a new key, forget the old one: ssh-keygen -f {file} -R '{name}'",
        )

    def _unreachable(self, error: GitFailed | GitTimeout) -> UpstreamUnreachable:
        cause = error.__cause__
        if isinstance(cause, ProcessFailed) and _HOST_KEY in cause.completed.stderr:
            return self._other_host_key()
        what = "check that the repository is intact with 'git fsck'"
        if self.source.kind != "path":
            what = "check the address, the network and what 'terok-sandbox gate access' says of credentials"
        return UpstreamUnreachable(f"the upstream {self.source.address} was not reached: {error.message}", hint=what)


def parse_advertisement(output: bytes) -> Advertised:
    """Read the output of `git ls-remote --symref`; invalid ref names are left out, as git itself does."""
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    default = head = None
    for line in output.decode("utf-8", "surrogateescape").split("\n"):
        value, tab, name = line.partition("\t")
        if not tab or name.endswith("^{}"):
            continue
        if name == "HEAD" and _OID.match(value):
            head = value
        if not value.startswith("ref: ") and not (_OID.match(value) and is_ref(name)):
            continue
        if value.startswith("ref: "):
            if name == "HEAD" and value.startswith("ref: " + HEADS):
                default = value.removeprefix("ref: " + HEADS)
        elif name.startswith(HEADS):
            branches[name.removeprefix(HEADS)] = value
        elif name.startswith(TAGS):
            tags[name.removeprefix(TAGS)] = value
    some = next(iter((branches | tags).values()), "") or head or ""
    return Advertised(branches, tags, default, "sha256" if len(some) == 64 else "sha1", head)
