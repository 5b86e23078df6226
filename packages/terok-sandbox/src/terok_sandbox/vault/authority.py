"""The certificate of the proxy's https listener: an authority per container that has signed this one certificate.

The authority's key is dropped as soon as it has signed, and it is constrained to the loopback. The listener's key stays
on the host; only the authority's certificate is shown to the container.
"""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from terok_util import atomic_write, write_sensitive_file

KEY_FILE: Final = "vault-tls.pem"
"""In the container's state directory: the listener's key, its certificate, then the authority's."""
CERTIFICATE_FILE: Final = "vault-ca.pem"
"""In the directory that the container sees as /run/terok."""
VALID_DAYS: Final = 397
RENEW_DAYS: Final = 90
_NAME: Final = "localhost"
_ADDRESS: Final = ipaddress.IPv4Address("127.0.0.1")


def publish(state_dir: Path, guest_dir: Path) -> None:
    """Make the certificates if there are none or they end soon, and show the authority's to the container."""
    path = state_dir / KEY_FILE
    authority = _kept(path)
    if authority is None:
        secret, authority = _issue(datetime.now(UTC))
        write_sensitive_file(path, secret + authority, durable=False)  # one that is lost is made anew
    atomic_write(guest_dir / CERTIFICATE_FILE, authority, mode=0o644, durable=False)


def server_context(state_dir: Path) -> ssl.SSLContext:
    """Return the listener's TLS settings; raises OSError (ssl.SSLError is one) without a usable certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(state_dir / KEY_FILE)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _kept(path: Path) -> bytes | None:
    """Return the authority's certificate that is in use, None if a new one is due."""
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    soon = datetime.now(UTC) + timedelta(days=RENEW_DAYS)
    if len(certificates) != 2 or any(one.not_valid_after_utc < soon for one in certificates):
        return None
    return certificates[1].public_bytes(serialization.Encoding.PEM)


def _issue(now: datetime) -> tuple[bytes, bytes]:
    """Return the listener's key with its certificate, and the authority's certificate."""
    signer, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "terok vault of this container")])
    loopback = [x509.DNSName(_NAME), x509.IPAddress(ipaddress.IPv4Network(_ADDRESS))]
    authority = (
        _builder(issuer, issuer, signer.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=loopback, excluded_subtrees=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    names = [x509.DNSName(_NAME), x509.IPAddress(_ADDRESS)]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    leaf = (
        _builder(subject, issuer, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + leaf.public_bytes(pem), authority.public_bytes(pem)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    unused = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, **unused)
