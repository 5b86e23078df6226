"""Authors of commits: the four authorship modes, and the identity in the host's git configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from terok_util import read_file
from terok_util.values import lean_dataclass

from terok_executor.errors import RequestError
from terok_executor.roster.types import GitIdentity

DEFAULT_AUTHORSHIP = "agent"
AUTHORSHIP_MODES = {
    "agent": ("agent", "agent"),
    "human": ("human", "human"),
    "agent-human": ("agent", "human"),
    "human-agent": ("human", "agent"),
}
"""Mode to author and committer."""
MAX_LENGTH = 200
MAX_CONFIG = 1024 * 1024
_USER_SETTING = re.compile(r"\s*(name|email)\s*=\s*(.*?)\s*\Z", re.IGNORECASE)


@lean_dataclass(frozen=True, slots=True)
class Authorship:
    """An authorship mode and the person it names; `human` may be None if the mode needs nobody."""

    mode: str = DEFAULT_AUTHORSHIP
    human: GitIdentity | None = None

    def environment(self, agent: GitIdentity) -> dict[str, str]:
        """Return the variables that git takes for commits of this agent."""
        people = {"agent": agent, "human": self.human or agent}
        author, committer = (people[role] for role in AUTHORSHIP_MODES[self.mode])
        env = {
            "TEROK_GIT_AUTHORSHIP": self.mode,
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
        }
        if self.human is not None:
            env |= {"HUMAN_GIT_NAME": self.human.name, "HUMAN_GIT_EMAIL": self.human.email}
        return env


def check_authorship(mode: str | None, name: str | None, email: str | None) -> Authorship:
    """Return the requested authorship; RequestError for an unknown mode, odd text or a missing person."""
    chosen = mode or DEFAULT_AUTHORSHIP
    if chosen not in AUTHORSHIP_MODES:
        raise RequestError(f"unknown authorship {chosen[:40]!r}", hint=f"known: {', '.join(AUTHORSHIP_MODES)}")
    if (name is None) != (email is None):
        raise RequestError("a person's name and e-mail belong together", hint="give --human-name and --human-email")
    if name is None or email is None:
        if "human" in AUTHORSHIP_MODES[chosen]:
            hint = "give --human-name and --human-email, or --git-identity-from-host"
            raise RequestError(f"authorship {chosen} needs a person", hint=hint)
        return Authorship(chosen)
    for text in (name, email):
        if not text.strip() or len(text) > MAX_LENGTH or not text.isprintable() or set(text) & set("<>"):
            raise RequestError(f"invalid name or e-mail {text[:60]!r}", hint="use one line without < and >")
    return Authorship(chosen, GitIdentity(name.strip(), email.strip()))


def host_identity(environ: Mapping[str, str] | None = None) -> GitIdentity:
    """Return the name and e-mail of the person's own git configuration; RequestError without one.

    Only its `[user]` section is read: includes are ignored and no program is run.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("HOME") or "/")
    files = [Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config", home / ".gitconfig"]
    if explicit := env.get("GIT_CONFIG_GLOBAL"):
        files = [Path(explicit)]
    found: dict[str, str] = {}
    for file in files:
        with suppress(OSError):
            found |= user_section(read_file(file, MAX_CONFIG).decode(errors="replace"))
    name, email = env.get("GIT_AUTHOR_NAME") or found.get("name"), env.get("GIT_AUTHOR_EMAIL") or found.get("email")
    if not name or not email:
        hint = "run `git config --global user.name …`, or give --human-name"
        raise RequestError("git on this host has no user.name and user.email", hint=hint)
    return GitIdentity(name, email)


def user_section(text: str) -> dict[str, str]:
    """Return `name` and `email` of the `[user]` section of a git configuration."""
    found: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped.partition("]")[0].lower() == "[user"
        elif inside and (match := _USER_SETTING.fullmatch(line)) is not None:
            value = match[2]
            if value.startswith('"') and value.endswith('"') and len(value) > 1:
                value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            found[match[1].lower()] = value
    return found
