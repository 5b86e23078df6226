"""The environment of the controller, and of the tasks that it starts: a part of that of whoever first needed it.

Only what is listed: a variable that nobody knows might hold a secret, and would stay in a process that outlives its
terminal. Variables for containers are in a project's configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERSON: Final = ("HOME", "USER", "LOGNAME", "SHELL", "PATH", "TMPDIR", "LANG", "LANGUAGE", "TZ", "PYTHONPATH")
_DESKTOP: Final = ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP")
_PLACES: Final = tuple(
    f"XDG_{name}" for name in ("RUNTIME_DIR", "CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME")
)
_PODMAN: Final = (
    *(f"CONTAINERS_{name}" for name in ("CONF", "CONF_OVERRIDE", "STORAGE_CONF", "REGISTRIES_CONF")),
    *("REGISTRY_AUTH_FILE", "STORAGE_DRIVER", "STORAGE_OPTS"),
)
_GIT: Final = ("SSH_AUTH_SOCK", "GIT_CONFIG_GLOBAL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL")
_PROXIES: Final = tuple(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO"))
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_GIT_CERTIFICATES: Final = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_REGISTRIES: Final = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CERT", "GOPROXY", "CARGO_HOME"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_USERCONFIG", "npm_config_userconfig"),
)
_KEPT: Final = frozenset(
    (*_PERSON, *_DESKTOP, *_PLACES, *_PODMAN, *_GIT, *_PROXIES, *_CERTIFICATES, *_GIT_CERTIFICATES, *_REGISTRIES)
) | {name.lower() for name in _PROXIES}
_PREFIXES: Final = ("LC_", "TEROK_")
_SECRET_WORDS: Final = ("PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL")
"""Parts of names of ours that speak of a secret."""


def controller_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of `environment` that the controller gets."""
    return {name: value for name, value in environment.items() if name in _KEPT or _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name.startswith(_PREFIXES) and not any(word in name for word in _SECRET_WORDS)
