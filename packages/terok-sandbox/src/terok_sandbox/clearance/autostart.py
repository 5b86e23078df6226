"""Starting the notifier with every session: a systemd user unit where systemd runs, an autostart entry elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from terok_util import TerokError, atomic_write, ensure_dir

from terok_sandbox.clearance.errors import ClearanceError

UNIT: Final = "terok-clearance.service"
ENTRY: Final = "terok-clearance.desktop"
_TARGET: Final = "graphical-session.target"


def render_unit(program: str) -> str:
    """Return the unit that runs `program`, without sandboxing, for which user units may lack capabilities."""
    return f"""\
[Unit]
Description=Desktop notifications for requests of terok containers
PartOf={_TARGET}
After={_TARGET}

[Service]
ExecStart={_unit_word(program)} clearance notify
Restart=on-failure
RestartSec=10

[Install]
WantedBy={_TARGET}
"""


def render_entry(program: str) -> str:
    """Return the XDG autostart entry that runs `program` (an absolute path)."""
    return f"""\
[Desktop Entry]
Type=Application
Name=terok clearance
Comment=Desktop notifications for requests of terok containers
Exec={_entry_word(program)} clearance notify
NoDisplay=true
X-GNOME-Autostart-enabled=true
"""


def install_autostart() -> list[Path]:
    """Write what fits this system and return the paths; raises `ClearanceError`."""
    program = str(Path(sys.executable).with_name("terok-sandbox"))
    config = _config_home()
    try:
        if not Path(f"/run/user/{os.geteuid()}/systemd/private").exists():
            entry = config / "autostart" / ENTRY
            ensure_dir(entry.parent)
            atomic_write(entry, render_entry(program))
            return [entry]
        unit, wanted = _unit_paths(config)
        ensure_dir(wanted.parent)
        atomic_write(unit, render_unit(program))
        wanted.unlink(missing_ok=True)
        wanted.symlink_to(unit)
    except (OSError, TerokError) as error:
        raise ClearanceError(f"{config}: the notifier's autostart cannot be written: {error}") from error
    return [unit, wanted]


def remove_autostart() -> list[Path]:
    """Remove what `install_autostart` wrote and return the paths."""
    config = _config_home()
    present = [path for path in (*_unit_paths(config), config / "autostart" / ENTRY) if os.path.lexists(path)]
    for path in present:
        path.unlink()
    return present


def _config_home() -> Path:
    given = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".config"


def _unit_paths(config: Path) -> tuple[Path, Path]:
    units = config / "systemd" / "user"
    return units / UNIT, units / f"{_TARGET}.wants" / UNIT


def _unit_word(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{_one_line(quoted)}"'


def _entry_word(text: str) -> str:
    quoted = "".join(f"\\{char}" if char in '"`$\\' else char for char in text).replace("\\", "\\\\").replace("%", "%%")
    return f'"{_one_line(quoted)}"'


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ClearanceError("the program's path holds a control character", hint="install it somewhere else")
    return text
