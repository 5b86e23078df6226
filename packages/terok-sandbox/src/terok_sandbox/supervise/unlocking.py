"""Put the vault's passphrase into its session file again, which a reboot empties, from the tier that keeps it.

A process of its own, `python -m terok_sandbox.supervise.unlocking SESSION-FILE`, started by the fork server: that one
holds no secret. A vault that was locked on purpose stays locked.
"""

from __future__ import annotations

import sys
from pathlib import Path

from terok_util import TerokError


def main(argv: list[str] | None = None) -> int:
    """Unlock the vault if its session file is the one meant; return the exit code."""
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
