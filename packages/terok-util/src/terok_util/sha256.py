"""SHA-256 without OpenSSL, which `hashlib` loads and which takes longer than hashing what a launch hashes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256 as sha256
else:
    try:
        from _sha256 import sha256 as sha256
    except ImportError:  # Python 3.12 calls it otherwise
        try:
            from _sha2 import sha256 as sha256
        except ImportError:
            from hashlib import sha256 as sha256
