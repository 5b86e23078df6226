"""SSH key pairs: minted or imported, ed25519 and RSA of 3072 bits and more; signing without SHA-1."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from terok_sandbox.vault.errors import BadCredential
from terok_sandbox.vault.ssh.agent_protocol import RSA_SHA2_256, RSA_SHA2_512, string

KeyType = Literal["ed25519", "rsa"]
MIN_RSA_BITS: Final = 3072
MAX_RSA_BITS: Final = 8192
MAX_COMMENT: Final = 200
_Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key as PKCS#8 DER, and its public half in SSH's form."""

    key_type: KeyType
    private_der: bytes
    public_blob: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint as OpenSSH shows it."""
        return fingerprint(self.public_blob)

    def openssh_private(self) -> bytes:
        """Return the private key as a file that OpenSSH reads."""
        form = serialization.PrivateFormat.OpenSSH
        return _load_der(self.private_der).private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def fingerprint(public_blob: bytes) -> str:
    """Return the SHA256 fingerprint of a public key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_blob).digest()).decode().rstrip("=")


def mint(key_type: KeyType = "ed25519") -> KeyPair:
    """Return a new key pair."""
    if key_type == "rsa":
        return _pair(rsa.generate_private_key(public_exponent=65537, key_size=MIN_RSA_BITS))
    return _pair(ed25519.Ed25519PrivateKey.generate())


def import_private(data: bytes, password: bytes | None = None) -> KeyPair:
    """Return the key pair of a private key file in OpenSSH or PEM form; raises BadCredential for what is not kept."""
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            key = serialization.load_ssh_private_key(data, password)
        else:
            key = serialization.load_pem_private_key(data, password)  # type: ignore[assignment]
    except TypeError as error:
        raise BadCredential(
            "the private key is protected by a password",
            hint="remove it from a copy with `ssh-keygen -p`, import that, and delete it",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCredential("not a private key in OpenSSH or PEM form") from error
    if not isinstance(key, _Private):
        raise BadCredential("only ed25519 and RSA keys are kept", hint="mint one with `terok-sandbox ssh add SCOPE`")
    return _pair(key)


def sign(private_der: bytes, data: bytes, flags: int) -> bytes | None:
    """Return the signature blob, None for an algorithm that is not offered (SHA-1)."""
    key = _load_der(private_der)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return string(b"ssh-ed25519") + string(key.sign(data))
    if flags & RSA_SHA2_512:
        return string(b"rsa-sha2-512") + string(key.sign(data, padding.PKCS1v15(), hashes.SHA512()))
    if flags & RSA_SHA2_256:
        return string(b"rsa-sha2-256") + string(key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    return None


def checked_comment(comment: str) -> str:
    """Return a comment that can stand in a line; BadCredential otherwise."""
    if len(comment) > MAX_COMMENT or not comment.isprintable():
        raise BadCredential(f"a key's comment has up to {MAX_COMMENT} printable characters")
    return comment


def _pair(key: _Private) -> KeyPair:
    if isinstance(key, rsa.RSAPrivateKey) and not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise BadCredential(
            f"an RSA key of {key.key_size} bits is not kept; {MIN_RSA_BITS} to {MAX_RSA_BITS} are",
            hint="mint an ed25519 key with `terok-sandbox ssh add SCOPE`",
        )
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair("rsa" if isinstance(key, rsa.RSAPrivateKey) else "ed25519", der, base64.b64decode(line.split()[1]))


def _load_der(der: bytes) -> _Private:
    key = serialization.load_der_private_key(der, None)
    if not isinstance(key, _Private):
        raise BadCredential("the stored key is of another kind")
    return key
