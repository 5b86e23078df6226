"""Judge the names that a push brings: pure functions over paths.

`autorun.toml` lists names of files that run by themselves; `agents.toml` those that the bundled agents read, as the
roster has them.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from fnmatch import translate
from pathlib import Path
from typing import Any, Final

from terok_util.text import safe_text

from terok_sandbox.gate.inspect.policy import Finding

MAX_PATH: Final = 4000
MAX_COMPONENT: Final = 255
MAX_DEPTH: Final = 128

_HFS_IGNORED: Final = dict.fromkeys(
    (0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)
_LONG_NAME: Final = re.compile(rb"[^/]{%d}" % (MAX_COMPONENT + 1))
_NTFS_SHORT: Final = re.compile(r"(git|gitmod|gitatt|gi[0-9a-f]{4})~\d+\Z")
_OF_SHORT: Final = {"gitmod": ".gitmodules", "gitatt": ".gitattributes"}

_AGENTS: Final = "agent-settings"


def _named(section: str) -> dict[str, list[str]]:
    names = {rule: text.split() for rule, text in _DATA[section].items()}
    names[_AGENTS] += _OF_AGENTS.get(section, "").split()
    return names


def _loaded(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


_DATA: Final = _loaded("autorun.toml")
_OF_AGENTS: Final = _loaded("agents.toml")
_GLOBS: Final = _named("globs")
_BY_DIRECTORY: Final = {name: rule for rule, names in _named("directories").items() for name in names}
_BY_NAME: Final = {name: rule for rule, names in _named("names").items() for name in names}
_BY_ENDING: Final = {
    glob[2:]: rule for rule, globs in _GLOBS.items() for glob in globs if glob[:2] == "*." and "*" not in glob[2:]
}
_BY_GLOB: Final = re.compile(
    "|".join(
        f"(?P<{rule.replace('-', '_')}>{'|'.join(patterns)})"
        for rule, globs in _GLOBS.items()
        if (patterns := [translate(glob) for glob in globs if glob[2:] not in _BY_ENDING])
    )
)
_BY_PLACE: Final = {rule: re.compile("|".join(patterns)) for rule, patterns in _DATA["places"].items()}


def check_length(path: str) -> Iterator[Finding]:
    """Yield a path that is longer or deeper than file systems bear; nothing else should be asked of it."""
    raw = path.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_PATH or raw.count(b"/") >= MAX_DEPTH or _LONG_NAME.search(raw):
        yield Finding("path-length", path[:MAX_PATH])


def check_path(path: str, *, link: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with a path that is added or changed; a `link` counts as the directory it may lead to."""
    if path.startswith("-") or not ((path.isascii() and path.isprintable()) or safe_text(path) == path):
        yield Finding("path-name", path, f"written here as {safe_text(path, limit=200)}")
    lower = folded(path)
    if not (lower.isascii() and "git" not in lower and "~" not in lower) and any(map(_is_git_like, path.split("/"))):
        yield Finding("path-git", path)
    if rule := autorun_rule(lower, link=link):
        yield Finding(rule, path)


def autorun_rule(path: str, *, link: bool = False) -> str | None:
    """Return the rule for a file at `path` (lower case), or a `link`, that runs by itself, None for another."""
    *above, name = path.split("/")
    for directory in (*above, name) if link else above:
        if rule := _BY_DIRECTORY.get(directory):
            # A directory of workflows may hold settings of agents too.
            return _AGENTS if _BY_PLACE[_AGENTS].search(path) else rule
    if rule := _BY_NAME.get(name):
        return rule
    ending = name
    while ending := ending.partition(".")[2]:
        if rule := _BY_ENDING.get(ending):
            return rule
    if match := _BY_GLOB.match(name):
        return (match.lastgroup or "").replace("_", "-")
    spelled = f"{path}/" if link else path
    return next((rule for rule, pattern in _BY_PLACE.items() if pattern.search(spelled)), None)


def folded(name: str) -> str:
    """Return the name as a file system sees it that ignores case and Unicode form."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def collisions(names: list[str]) -> list[tuple[str, str]]:
    """Return pairs of names of one directory that such a file system cannot tell apart."""
    seen: dict[str, str] = {}
    found = []
    for name in names:
        other = seen.setdefault(folded(name), name)
        if other != name:
            found.append((other, name))
    return found


def leaves_tree(link: str, target: str) -> bool:
    """Tell whether a symbolic link at `link` with `target` leads out of the tree or into `.git`.

    So does one that climbs after a name: the name may be a link itself, and what is above its target is elsewhere.
    """
    if not target or target.startswith("/") or "\0" in target or "\\" in target or re.match(r"[A-Za-z]:", target):
        return True
    depth, descended = link.count("/"), False
    for part in target.split("/"):
        if part == "..":
            depth -= 1
            if descended or depth < 0:
                return True
        elif part not in ("", "."):
            descended = True
            if _is_git_like(part):
                return True
    return False


def git_name(path: str) -> str:
    """Return a path's last name as HFS+, NTFS or a file system without case takes it: `GITMOD~1` is one of git's."""
    name = path.rsplit("/", 1)[-1].translate(_HFS_IGNORED).casefold()
    name = name.split(":")[0].rstrip(" .")  # NTFS drops these, and what follows a colon names a stream
    short = _NTFS_SHORT.match(name)
    return _OF_SHORT.get(short[1], ".git") if short else name


def _is_git_like(part: str) -> bool:
    """Tell whether such a file system takes a name for `.git`, or for a path into it."""
    return any(git_name(piece) == ".git" for piece in part.split("\\"))
