"""Allowlist profiles: the bundled ones, and a person's own in their place or beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from terok_util import read_file
from terok_util.values import lean_dataclass

from terok_sandbox.shield.errors import PolicyError

MAX_BYTES: Final = 1024 * 1024
BUNDLED: Final = Path(__file__).parent / "profile_data"
SUFFIX: Final = ".policy"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_HEADER: Final = re.compile(r"#\s*(summary|sources|checked):\s*(.*)")


@lean_dataclass(frozen=True, slots=True)
class Profile:
    """A profile's description; `checked` is when its hosts were last compared with `sources`."""

    name: str
    origin: str
    summary: str = ""
    sources: str = ""
    checked: str = ""


def user_directory(config_dir: Path) -> Path:
    """Return where a person's own profiles lie; one replaces a bundled one of its name."""
    return config_dir / "shield" / "profiles"


def list_profiles(config_dir: Path) -> list[Profile]:
    """Return every profile, by name."""
    profiles: dict[str, Profile] = {}
    for origin, directory in (("bundled", BUNDLED), ("own", user_directory(config_dir))):
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            headers = {match[1]: match[2] for line in read_text(path).splitlines() if (match := _HEADER.match(line))}
            profiles[path.stem] = Profile(path.stem, origin, **headers)
    return [profiles[name] for name in sorted(profiles)]


def profile_path(name: str, config_dir: Path) -> Path:
    """Return a profile's file; raises `PolicyError` for an unknown one."""
    if _NAME.match(name):
        for directory in (user_directory(config_dir), BUNDLED):
            path = directory / f"{name}{SUFFIX}"
            if path.is_file():
                return path
    raise PolicyError(f"unknown profile {name[:64]!r}", hint="see `terok-sandbox shield profiles`")


def profile_lines(
    names: Sequence[str], config_dir: Path, *, also: Callable[[str], Iterable[str]] = lambda _: ()
) -> tuple[str, ...]:
    """Return the `project_allow` rules of `names`, registries read from this machine; `also` gives more of a symbol."""
    from terok_sandbox.shield.policy.grammar import located, parse_policy_line
    from terok_sandbox.shield.registries import expand

    lines: dict[str, None] = {}
    for path, number, line in _rows(names, config_dir):
        with located(str(path), number):
            rules = expand(line, also(line)) if line.startswith("@") else (line,)
        for rule in rules:
            parse_policy_line(rule, source=str(path), number=number)
            lines[rule] = None
    return tuple(lines)


def profile_overrides(
    names: Sequence[str], config_dir: Path, *, also: Callable[[str], Iterable[str]] = lambda _: ()
) -> tuple[str, ...]:
    """Return the `override` rules that registries on private addresses need; `also` as above."""
    from terok_sandbox.shield.registries import private_overrides

    symbols = dict.fromkeys(line for _, _, line in _rows(names, config_dir) if line.startswith("@"))
    return tuple(line for symbol in symbols for line in private_overrides(symbol, also(symbol)))


def _rows(names: Sequence[str], config_dir: Path) -> list[tuple[Path, int, str]]:
    rows = []
    for name in names:
        path = profile_path(name, config_dir)
        for number, line in enumerate(read_text(path).splitlines(), 1):
            text = line.strip()
            if text and not text.startswith("#"):
                rows.append((path, number, text))
    return rows


def read_text(path: str | Path) -> str:
    """Return the text of a profile or policy file; raises `PolicyError`."""
    try:
        return read_file(path, MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from error
