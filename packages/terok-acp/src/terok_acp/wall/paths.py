"""Two names of one directory: the editor's and the container's, mapped by whole components.

A path is a sequence of names, compared byte by byte: nothing is resolved, decoded or folded, and nothing on a disk is
looked at. So what one side calls inside is what the other side calls inside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

MAX_PATH = 4096
"""The longest path, in bytes, that a kernel takes."""

_FILE_URI = re.compile(r"file://(?P<host>[^/?#]*)(?P<path>/[^?#]*)(?P<rest>[?#].*)?\Z", re.DOTALL)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HIDDEN = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)  # decoded, these would make other components than were written
_PLAIN = "/-._~!$&'()*+,;=:@"  # what RFC 3986 lets stand in a path
_SURROGATE = re.compile("[\ud800-\udfff]")


class PathRefused(ValueError):
    """A path or URI that has no name on the other side; the message says why, and may be shown."""


@dataclass(frozen=True, slots=True)
class Roots:
    """One session's directory: as the editor calls it, and as the container does.

    Raises:
        PathRefused: One of them is not an absolute, plain path below `/`. With `/` itself everything would be inside.
    """

    editor: str
    container: str

    def __post_init__(self) -> None:
        for field in ("editor", "container"):
            path = plain_path(getattr(self, field))
            if path == "/":
                raise PathRefused("the root of a file system cannot be a session's directory")
            object.__setattr__(self, field, path)


def plain_path(path: object) -> str:
    """Return an absolute path without `.` and without a slash at its end.

    Raises:
        PathRefused: It is not text, not absolute, too long, or holds `..`, an empty component, a backslash, NUL or half
            a surrogate pair: things that a reader other than us might resolve to somewhere else.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise PathRefused("the path is not absolute")
    if "\\" in path or "\0" in path:
        raise PathRefused("the path holds a backslash or NUL")
    if _SURROGATE.search(path):
        raise PathRefused("the path is not valid Unicode")
    if len(path.encode()) > MAX_PATH:
        raise PathRefused("the path is too long")
    names = path[1:].removesuffix("/").split("/")
    if names == [""]:
        return "/"
    if "" in names or ".." in names:
        raise PathRefused("the path holds '..' or '//'")
    return "/" + "/".join(name for name in names if name != ".")


def path_in(path: object, roots: Roots) -> str:
    """Return the container's name of an editor's path.

    Raises:
        PathRefused: The path is outside of the session's directory, or none at all.
    """
    return _moved(plain_path(path), roots.editor, roots.container)


def path_out(path: object, roots: Roots) -> str:
    """Return the editor's name of a container's path; raises as `path_in` does."""
    return _moved(plain_path(path), roots.container, roots.editor)


def map_in(path: object, roots: Roots) -> str | None:
    """Do what `path_in` does, with None for a refusal."""
    try:
        return path_in(path, roots)
    except PathRefused:
        return None


def map_out(path: object, roots: Roots) -> str | None:
    """Do what `path_out` does, with None for a refusal."""
    try:
        return path_out(path, roots)
    except PathRefused:
        return None


def uri_in(uri: object, roots: Roots) -> str | None:
    """Return the container's name of an editor's `file:` URI, None if it is no such URI or leads outside."""
    return _moved_uri(uri, roots.editor, roots.container)


def uri_out(uri: object, roots: Roots) -> str | None:
    """Return the editor's name of a container's `file:` URI, None if it is no such URI or leads outside."""
    return _moved_uri(uri, roots.container, roots.editor)


def path_of(uri: str) -> str:
    """Return the path that a URI of `uri_in` or `uri_out` names."""
    parts = _FILE_URI.match(uri)
    return unquote_to_bytes(parts["path"]).decode() if parts else ""


def _moved(path: str, old: str, new: str) -> str:
    if path == old:
        return new
    if not path.startswith(old + "/"):
        raise PathRefused("the path is outside of the session's directory")
    return new + path[len(old) :]


def _moved_uri(uri: object, old: str, new: str) -> str | None:
    parts = _FILE_URI.match(uri) if isinstance(uri, str) else None
    if parts is None or parts["host"] not in {"", "localhost"}:
        return None
    if _ESCAPE.search(parts["path"]) or _HIDDEN.search(parts["path"]):
        return None
    try:
        path = unquote_to_bytes(parts["path"]).decode()
        moved = _moved(plain_path(path), old, new)
    except (PathRefused, UnicodeError):
        return None
    return "file://" + quote(moved, safe=_PLAIN) + (parts["rest"] or "")
