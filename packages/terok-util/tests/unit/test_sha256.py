from __future__ import annotations

import hashlib
import subprocess
import sys

from terok_util.sha256 import sha256


def test_it_is_the_same_digest_and_loads_no_openssl() -> None:
    for data in (b"", b"abc", bytes(1000)):
        assert sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()
    probe = "import sys, terok_util.sha256; print('_hashlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True) == "False\n"
