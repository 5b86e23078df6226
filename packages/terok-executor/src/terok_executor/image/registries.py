"""The host's package mirrors and certificate authorities, which build steps use too.

Only locations without credentials are passed on, because a build argument ends up in the image's history.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from terok_util import TerokError, read_file
from terok_util.process import run

from terok_executor.errors import PrerequisiteError

_PROBE_SECONDS = 20.0
_MAX_BYTES = 1024 * 1024
_POCKETS = ("", "-updates", "-security")
_ENVIRONMENT = {
    "PIP_INDEX_URL": "PIP_INDEX_URL",
    "NPM_CONFIG_REGISTRY": "NPM_CONFIG_REGISTRY",
    "npm_config_registry": "NPM_CONFIG_REGISTRY",
}


def build_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables build steps need to use the host's pip and npm registries."""
    source = os.environ if environ is None else environ
    variables = {name: source[key] for key, name in _ENVIRONMENT.items() if usable(source.get(key, ""))}
    if "PIP_INDEX_URL" not in variables:
        variables["PIP_INDEX_URL"] = _ask([sys.executable, "-m", "pip", "config", "get", "global.index-url"])
    if "NPM_CONFIG_REGISTRY" not in variables:
        variables["NPM_CONFIG_REGISTRY"] = _ask(["npm", "config", "get", "registry", "--logs-max=0"])
    return {name: value for name, value in sorted(variables.items()) if usable(value)}


def debian_sources(
    suite: str, sources: Path = Path("/etc/apt"), release: Path = Path("/etc/os-release")
) -> tuple[str, ...]:
    """Return apt source lines for `suite` at the mirrors a Debian host itself uses.

    Empty where mmdebstrap's own default applies: on another distribution, or when no mirror is configured.
    """
    facts = {key: value.strip("\"'") for key, value in re.findall(r"(?m)^([A-Z_]+)=(.*)$", _text(release))}
    codename = facts.get("VERSION_CODENAME", "")
    if facts.get("ID") != "debian" or not codename:
        return ()
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    entries = [entry for file in files for entry in archive_entries(_text(file))]
    suffixes = ("",) if suite in ("sid", "unstable", "testing") else _POCKETS
    lines = (
        f"deb {uri} {suite}{suffix} main"
        for suffix in suffixes
        for uri, name in entries
        if name == codename + suffix and usable(uri)
    )
    return tuple(dict.fromkeys(lines))


def archive_entries(text: str) -> list[tuple[str, str]]:
    """Return (URI, suite) pairs of component `main` from a sources file in either of apt's formats."""
    entries: list[tuple[str, str]] = []
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", "", line).split()
        if len(words) >= 4 and words[0] == "deb" and "main" in words[3:]:
            entries.append((words[1], words[2]))
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza))
        if "main" in fields.get("Components", "").split() and "deb" in fields.get("Types", "").split():
            entries += [
                (uri, suite) for uri in fields.get("URIs", "").split() for suite in fields.get("Suites", "").split()
            ]
    return entries


def usable(value: str) -> bool:
    """Return whether a build may be given a registry location: http or https, no credentials, one line."""
    if not value or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _ask(argv: list[str]) -> str:
    with suppress(TerokError):
        return run(argv, timeout=_PROBE_SECONDS, cwd=Path("/")).text.strip()
    return ""


def _text(path: Path) -> str:
    with suppress(OSError):
        return read_file(path, _MAX_BYTES).decode(errors="replace")
    return ""


SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
MAX_BUNDLE_BYTES = 8 * 1024 * 1024
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def host_bundle_path(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the bundle named by `SSL_CERT_FILE`, else the system's; None if the host has none."""
    named = (os.environ if environ is None else environ).get("SSL_CERT_FILE")
    if named:
        return Path(named)
    return next((Path(path) for path in SYSTEM_BUNDLES if Path(path).is_file()), None)


def read_certificates(path: Path) -> tuple[bytes, ...]:
    """Return the distinct PEM certificates in a bundle, in order.

    Raises PrerequisiteError if the file cannot be read or holds no valid certificate.
    """
    try:
        data = read_file(path, MAX_BUNDLE_BYTES)
    except OSError as error:
        raise _unusable(path, error.strerror or "not readable") from None
    certificates = tuple(dict.fromkeys(match.group() + b"\n" for match in _CERTIFICATE.finditer(data)))
    if not certificates:
        raise _unusable(path, "it holds no PEM certificate")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=b"".join(certificates).decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise _unusable(path, "it holds a damaged certificate") from None
    return certificates


def _unusable(path: Path, reason: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"CA bundle {path} cannot be used: {reason}",
        hint="point SSL_CERT_FILE at a readable PEM bundle, or unset it to use the system's",
    )
