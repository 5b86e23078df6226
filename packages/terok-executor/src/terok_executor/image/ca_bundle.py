"""The host's CA bundle: what the host trusts, the image has to trust, or a private mirror is out of reach."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from terok_executor.errors import PrerequisiteError

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
        with path.open("rb") as stream:
            data = stream.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or "not readable") from None
    if len(data) > MAX_BUNDLE_BYTES:
        raise _unusable(path, f"larger than {MAX_BUNDLE_BYTES} bytes")
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
