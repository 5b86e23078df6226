"""Where other programs of this user have their settings."""

from __future__ import annotations

import os
from pathlib import Path


def conf_path() -> Path:
    """Return the file podman reads the user's settings from (`CONTAINERS_CONF` wins, root has the system's)."""
    if named := os.environ.get("CONTAINERS_CONF"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/etc/containers/containers.conf")
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "containers" / "containers.conf"


def unit_dir() -> Path:
    """Return where the units of this user are."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home, "systemd", "user")
