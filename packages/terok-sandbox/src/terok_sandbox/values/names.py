"""The grammar of each name that several rooms know: containers, scopes, providers, branches and time zones.

A scope is a project's name: mirrors, SSH keys, usage and verdicts are kept by it. Scopes, containers, providers and
credential sets share one grammar, so that each can be a file's name, a label's value and a part of a container's name.
"""

from __future__ import annotations

import re
from typing import Final

# Lower case only, because names of images and host names made of these allow nothing else; 63 is the longest DNS label.
PLAIN: Final = r"[a-z0-9][a-z0-9_.-]{0,62}"
PLAIN_HINT: Final = "use 1 to 63 of a-z 0-9 _ . - and begin with a letter or digit"
_HEX: Final = r"[0-9a-f]+"
_NOT_IN_REFS: Final = r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|[/.]\Z"
_BRANCH: Final = r"(?!HEAD\Z|refs/)[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}"
_TIME_ZONE: Final = r"(?=.{1,64}\Z)[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}"
_MAX_REF: Final = 1024


def is_plain(name: str) -> bool:
    """Whether `name` can be that of a scope, a provider or a credential set."""
    return re.fullmatch(PLAIN, name) is not None


def is_new_container(name: str) -> bool:
    """Whether a new container may be called `name`: hexadecimal digits alone could be taken for an ID's beginning."""
    return is_plain(name) and re.fullmatch(_HEX, name) is None


def is_ref(name: str) -> bool:
    """Whether git takes `name` as the full name of a ref."""
    size = len(name.encode("utf-8", "surrogateescape"))
    return name.startswith("refs/") and size <= _MAX_REF and re.search(_NOT_IN_REFS, name) is None


def is_branch(name: str) -> bool:
    """Whether a person may name a branch `name`: what git takes, and no shell or option reads otherwise."""
    return re.fullmatch(_BRANCH, name) is not None and is_ref(f"refs/heads/{name}")


def is_time_zone(name: str) -> bool:
    """Whether `name` has the form of a time zone's, such as `Europe/Berlin`."""
    return re.fullmatch(_TIME_ZONE, name) is not None
