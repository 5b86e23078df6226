"""`python -m terok_sandbox` is the `terok-sandbox` command."""

from __future__ import annotations

from terok_sandbox.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
