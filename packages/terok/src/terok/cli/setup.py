"""`setup` and `uninstall`: the host as the layers below need it, and what a person's shell and desktop use."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import CommandTree, TerokError, atomic_write, ensure_dir, safe_text

from terok.cli.setup_parts import MARK, Homes, completions, controller_unit, desktop_entry, has_systemd, is_private
from terok.integrations.executor import COMMANDS as EXECUTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.cli.setup_parts import Part

_NEXT = """\
next: terok auth AGENT          the key goes into the vault, never into a container
      terok project wizard      a few questions: repository, agent, what it may reach
      terok task run NAME "…"   the first task"""


def setup(no_completions: bool, no_desktop_entry: bool, no_units: bool, no_notifier: bool) -> int:
    """Prepare the host, then add what is wanted; what is there and right stays as it is."""
    code = _below("setup")
    for part in _parts(no_completions, no_desktop_entry, no_units):
        _report(part.name, _install(part))
    if not no_notifier:
        _report("notifier", _notifier(install=True))
    if not no_completions and not is_private(dict(os.environ)):
        _hint_zsh()
    print(_NEXT)
    return code


def uninstall(
    keep_images: bool, no_completions: bool, no_desktop_entry: bool, no_units: bool, no_notifier: bool
) -> int:
    """Remove what `setup` installed, but for what is to stay; credentials, mirrors, projects and tasks stay."""
    for part in _parts(no_completions, no_desktop_entry, no_units):
        _report(part.name, _remove(part))
    if not no_notifier:
        _report("notifier", _notifier(install=False))
    return _below("uninstall", keep_images=keep_images)


def _below(verb: str, **options: Any) -> int:
    handler = CommandTree(EXECUTOR).find_at(verb).resolve()
    assert handler is not None
    result = handler(**options)
    return result if isinstance(result, int) else 0


def _parts(no_completions: bool, no_desktop_entry: bool, no_units: bool) -> Iterator[Part]:
    environment = dict(os.environ)
    if is_private(environment):
        return
    homes = Homes.of(environment, Path.home())
    if not no_completions:
        yield completions(homes)
    if not no_desktop_entry:
        yield desktop_entry(homes, str(Path(sys.executable).with_name("terok")))
    if not no_units and has_systemd(environment):
        yield controller_unit(homes, sys.executable)


def _install(part: Part) -> str:
    """Write the files that are not as they should be; returns what was done."""
    foreign = [path for path in part.files if _is_foreign(path)]
    if foreign:
        return f"left alone: {foreign[0]} is not terok's"
    changed = False
    try:
        for path, text in part.files.items():
            if _content(path) != text:
                ensure_dir(path.parent, 0o755)
                atomic_write(path, text, mode=0o644)
                changed = True
        for link, target in part.links.items():
            if not link.is_symlink() or link.readlink() != target:
                ensure_dir(link.parent, 0o755)
                link.unlink(missing_ok=True)
                link.symlink_to(target)
                changed = True
    except (OSError, TerokError) as error:
        return f"not installed: {error}"
    return "installed" if changed else "up to date"


def _remove(part: Part) -> str:
    present = [path for path in (*part.links, *part.files) if os.path.lexists(path) and not _is_foreign(path)]
    try:
        for path in present:
            path.unlink()
    except OSError as error:
        return f"not removed: {error.strerror}: {error.filename}"
    return "removed" if present else "none installed"


def _content(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _is_foreign(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_symlink() and MARK not in (_content(path) or "")


def _notifier(*, install: bool) -> str:
    """Have the notifier for requests of containers started with every session, or no longer."""
    if is_private(dict(os.environ)):
        return "a private installation: not started with the session"
    from terok.integrations.sandbox import install_autostart, remove_autostart

    try:
        done = install_autostart() if install else remove_autostart()
    except TerokError as error:
        return f"failed: {error.message}"
    return f"starts with every session: {done[0]}" if install else "removed" if done else "none installed"


def _hint_zsh() -> None:
    """Say what zsh needs; files that a person wrote are not edited."""
    if os.environ.get("SHELL", "").endswith("/zsh"):
        place = Homes.of(dict(os.environ), Path.home()).data / "zsh/site-functions"
        print(f"zsh finds the completions with this line in ~/.zshrc, before compinit: fpath+=({place})")


def _report(what: str, outcome: str) -> None:
    print(safe_text(f"{what}: {outcome}"))
