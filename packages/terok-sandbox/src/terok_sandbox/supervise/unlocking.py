"""Put the vault's passphrase where brokers find it, from the tier that keeps it, because a reboot empties that place.

The fork server, which holds no secret, starts it as a process of its own. Run as
`python -m terok_sandbox.supervise.unlocking SESSION-FILE`. A vault that was locked on purpose stays locked.
"""

from __future__ import annotations

import sys
from pathlib import Path

from terok_util import TerokError


def main(argv: list[str] | None = None) -> int:
    """Unlock, if this user's vault is the one meant; says what went wrong."""
    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.vault.unlock import provision_session

    (wanted,) = sys.argv[1:] if argv is None else argv
    try:
        config = SandboxConfig.load()
        if config.vault_session_file == Path(wanted) and config.db_path.exists():
            provision_session(config)
    except TerokError as error:
        sys.stderr.write(f"terok-sandbox: the vault stays locked: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
