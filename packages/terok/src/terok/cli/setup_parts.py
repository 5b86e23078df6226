"""Files that `terok setup` adds for a person's shell and desktop: where, and with what in them. Pure.

Every file carries a mark; a file without it is somebody else's, and is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from terok_util import UsageError, completion_script

MARK = "# written by `terok setup`, removed by `terok uninstall`"
PROGRAMS = ("terok", "terokctl")
UNIT = "terok-controller.service"
_WANTED_BY = "default.target"


class Part(NamedTuple):
    """One thing to install: files with their text, and links with what they lead to."""

    name: str
    files: dict[Path, str]
    links: dict[Path, Path]


class Homes(NamedTuple):
    """The directories of a person for data and configuration of all programs."""

    data: Path
    config: Path

    @classmethod
    def of(cls, environment: dict[str, str], home: Path) -> Homes:
        """Return them as the XDG specification says."""
        found = (environment.get("XDG_DATA_HOME", ""), environment.get("XDG_CONFIG_HOME", ""))
        usual = (home / ".local/share", home / ".config")
        return cls(
            *(Path(given) if given.startswith("/") else place for given, place in zip(found, usual, strict=True))
        )


def completions(homes: Homes) -> Part:
    """Return the completion scripts; bash, zsh and fish look for them there, zsh only if its `fpath` says so."""
    bash = {
        homes.data / "bash-completion/completions" / program: f"{MARK}\n{completion_script('bash', *PROGRAMS)}"
        for program in PROGRAMS
    }
    first, rest = completion_script("zsh", *PROGRAMS).split("\n", 1)
    zsh = {homes.data / "zsh/site-functions/_terok": f"{first}\n{MARK}\n{rest}"}
    fish = {
        homes.config / "fish/completions" / f"{program}.fish": f"{MARK}\n{completion_script('fish', program)}"
        for program in PROGRAMS
    }
    return Part("completions", bash | zsh | fish, {})


def desktop_entry(homes: Homes, program: str) -> Part:
    """Return the entry for menus: a terminal that shows what needs a person."""
    text = f"""\
[Desktop Entry]
{MARK}
Type=Application
Name=terok
Comment=Coding agents in hardened containers
Exec=sh -c {_entry_word(f'{_shell_word(program)} status; exec "${{SHELL:-sh}}"')}
Terminal=true
Categories=Development;
Keywords=agent;container;review;
"""
    return Part("desktop entry", {homes.data / "applications/terok.desktop": text}, {})


def controller_unit(homes: Homes, python: str) -> Part:
    """Return the unit that starts the controller with the first login, or the boot of a user who lingers."""
    units = homes.config / "systemd/user"
    text = f"""\
{MARK}
[Unit]
Description=Looks after the tasks of terok

[Service]
ExecStart={_unit_word(python)} -P -m terok.controller
KillMode=process
Restart=on-failure
RestartSec=10
LimitCORE=0

[Install]
WantedBy={_WANTED_BY}
"""
    return Part("controller unit", {units / UNIT: text}, {units / f"{_WANTED_BY}.wants" / UNIT: units / UNIT})


def is_private(environment: dict[str, str]) -> bool:
    """Whether this is an installation of its own below `TEROK_ROOT`, which leaves the person's home alone."""
    return bool(environment.get("TEROK_ROOT"))


def has_systemd(environment: dict[str, str]) -> bool:
    """Whether a systemd of this user runs."""
    return (Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "systemd/private").exists()


def _shell_word(text: str) -> str:
    return "'" + _printable(text).replace("'", "'\\''") + "'"


def _entry_word(text: str) -> str:
    """Return one quoted word of an `Exec` line: quoting is undone after the string escapes of the file."""
    quoted = "".join(f"\\{char}" if char in '"`$\\' else char for char in text).replace("\\", "\\\\").replace("%", "%%")
    return f'"{quoted}"'


def _unit_word(text: str) -> str:
    quoted = (
        _printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    )  # a dollar sign is itself in a path
    return f'"{quoted}"'


def _printable(text: str) -> str:
    if not text.isprintable():
        raise UsageError("the path of the program holds a control character", hint="install it somewhere else")
    return text
