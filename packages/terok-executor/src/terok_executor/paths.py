"""Directories of the executor on the host."""

from __future__ import annotations

import re
from pathlib import Path

from terok_util import namespace_config_dir, namespace_state_dir

from terok_executor.errors import RequestError

RESOURCES = Path(__file__).parent / "resources"
"""Files that come with the wheel: agents, providers and tools, and what images are made of."""
_CONTAINER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def default_agent() -> str:
    """Return the agent of whoever names none."""
    return (RESOURCES / "default-agent").read_text("ascii").strip()


def state_dir() -> Path:
    """Directory of everything the executor writes for itself."""
    return namespace_state_dir("executor", env_var="TEROK_EXECUTOR_STATE_DIR")


def cache_dir() -> Path:
    """Directory of values that are made anew when it is removed."""
    return state_dir() / "cache"


def mounts_dir() -> Path:
    """Directory of what containers have mounted by themselves: `<container>/home`, `<container>/state/…`."""
    return state_dir() / "run"


def task_dir(name: str) -> Path:
    """Directory of one container: its run record, and what it mounts."""
    return mounts_dir() / checked_container_name(name)


def clone_cache_dir() -> Path:
    """Directory of the copies of repositories that containers read, `<scope>.git` each."""
    return state_dir() / "clone-cache"


def config_file() -> Path:
    """Return where the user's `config.yml` is."""
    return namespace_config_dir() / "config.yml"


def user_roster_dir(kind: str) -> Path:
    """Directory of the user's YAML files of one kind: `agents` or `providers`."""
    return namespace_config_dir() / kind


def checked_container_name(name: str) -> str:
    """Return `name` if a container may be called so, else raise `RequestError`."""
    if not _CONTAINER_NAME.fullmatch(name):
        hint = "use 1 to 63 of a-z 0-9 _ . - and start with a letter or digit"
        raise RequestError(f"invalid container name: {name!r}", hint=hint)
    return name
